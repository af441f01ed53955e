"""The example for Ray's own launcher passes Ray's own validation, and keeps this project's promises."""

from importlib.resources import files

import yaml

from tests.help.repository import ROOT

TEXT = (files("cluster") / "ray-up.yaml").read_text()


def test_ray_accepts_the_example():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(yaml.safe_load(TEXT))
    validate_config(config)
    assert config["available_node_types"]["worker"]["max_workers"] == config["max_workers"]
    # Made by Ray's defaults where the example says nothing; with it they would be another image's.
    assert not config.get("docker", {}).get("image")


def test_the_cluster_asks_for_a_token_that_is_no_part_of_the_example():
    config = yaml.safe_load(TEXT)
    for kind in ("head", "worker"):
        (start,) = [line for line in config[f"{kind}_start_ray_commands"] if "ray start" in line]
        assert start.startswith("RAY_AUTH_MODE=token ")
    mounts = config["file_mounts"]
    assert [source for source in mounts.values() if "auth_token" in source] == ["~/.ray/auth_token"]
    assert "chmod 600 ~/.ray/auth_token" in config["setup_commands"]
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][1]


def test_the_set_up_is_the_one_that_make_does():
    (command,) = [line for line in yaml.safe_load(TEXT)["setup_commands"] if "&& make " in line]
    target = command.split()[-1]
    assert target == ".venv/.ready" and f"READY := {target}\n" in (ROOT / "Makefile").read_text()
