"""Every field of a RayJob is one that KubeRay documents, with a value that it allows; and what cannot be is refused."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from cluster.submit.kuberay import RETRYABLE, RayJob

FIELDS = yaml.safe_load(Path(__file__).with_name("kuberay_fields.yaml").read_text())
TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict}
PODS = ("spec.rayClusterSpec.headGroupSpec.template", "spec.rayClusterSpec.workerGroupSpecs[].template")
PLAIN = RayJob("sweep-plan", "registry/sweep:1", ["sweep", "run"], "2.60.0")
FULL = RayJob(
    "a" * 47, "registry.example:5000/team/sweep@sha256:0123", ["sweep", "run", "a b; c"], "2.60.0", workers=0,
    max_workers=9, cpus=4, gpus=1, mem_gb=16, secrets=("s3-keys", "others"), token_secret="sweep.token", retries=0,
    ttl_s=0, deadline_s=1,
)  # fmt: skip


def leaves(data, path=""):
    """Yield path and value of each field; an empty object is one, too."""
    if isinstance(data, dict) and data:
        for key, value in data.items():
            # A key may have dots itself.
            yield from leaves(value, f"{path}.{key.replace('.', '·')}" if path else key)
    elif isinstance(data, list):
        for value in data:
            yield from leaves(value, f"{path}[]")
    else:
        yield path, data


def documented(path):
    """Return the entry of the table for a path, or None."""
    for pod in PODS:
        path = path.replace(pod, "@", 1)
    for entry in FIELDS:
        if re.fullmatch(re.escape(entry["path"]).replace(r"\*", "[^.]+"), path):
            return entry
    return None


@pytest.mark.parametrize("job", [PLAIN, FULL])
def test_every_field_is_documented_with_its_type_and_value(job):
    for path, value in leaves(job.manifest()):
        entry = documented(path)
        assert entry, f"{path} is not documented"
        assert type(value) is TYPES[entry["type"]], path
        assert "allowed" not in entry or value in entry["allowed"], path
        assert "pattern" not in entry or re.fullmatch(entry["pattern"], value), path
        assert "least" not in entry or entry["least"] <= value <= entry.get("most", value), path
        assert "longest" not in entry or len(value) <= entry["longest"], path


def test_every_documented_field_is_written():
    found = [documented(path)["path"] for job in (PLAIN, FULL) for path, _ in leaves(job.manifest())]
    assert {entry["path"] for entry in FIELDS} == set(found)
    assert all(entry["source"] for entry in FIELDS)


def test_a_cluster_that_kuberay_would_refuse_is_not_written():
    """The rules of validation.go that are about more than one field."""
    for job in (PLAIN, FULL):
        spec = job.manifest()["spec"]
        cluster = spec["rayClusterSpec"]
        # A TTL has an effect only with shutdown; amounts are said to the pods or to `ray start`, not to the group.
        assert spec["shutdownAfterJobFinishes"] and "resources" not in cluster["headGroupSpec"]
        assert cluster["authOptions"]["mode"] == "token"
        (group,) = cluster["workerGroupSpecs"]
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert cluster.get("enableInTreeAutoscaling", False) == (group["minReplicas"] < group["maxReplicas"])
        assert cluster["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}
        for template in (cluster["headGroupSpec"]["template"], group["template"]):
            (container,) = template["spec"]["containers"]
            assert container["resources"]["requests"] == container["resources"]["limits"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}


def test_the_entrypoint_is_the_command_word_by_word():
    words = shlex.split(FULL.manifest()["spec"]["entrypoint"])
    assert words == [*RETRYABLE, *FULL.command]
    assert yaml.safe_load(FULL.to_yaml()) == FULL.manifest()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "Sweep"}, 'name got "Sweep"'),
        ({"name": "a" * 48}, "at most 47"),
        ({"name": "1a"}, "the first a letter"),
        ({"image": "a b"}, "image got 'a b'"),
        ({"workers": 0}, "nothing would train"),
        ({"workers": 3, "max_workers": 2}, "max_workers got 2, but needs at least the 3"),
        ({"cpus": 0}, "cpus got 0"),
        ({"retries": -1}, "retries got -1"),
        ({"deadline_s": 0}, "deadline_s got 0"),
    ],
)
def test_what_cannot_be_is_refused(changes, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        RayJob(**{"name": "a", "image": "i", "command": ["c"], "ray_version": "2.60.0", **changes})


@pytest.mark.parametrize("field", ["secrets", "token_secret"])
def test_a_secret_given_in_place_of_its_name_is_refused_and_not_shown(field):
    value = "AKIA/Canary+9"
    with pytest.raises(ValueError, match="Name the Secret, not its value") as error:
        RayJob("a", "i", ["c"], "2.60.0", **{field: value if field == "token_secret" else [value]})
    assert value not in str(error.value)
