"""Whose code makes a model anew: no stranger's unless the user trusts it, and only what the sweep ran."""

import json
import shutil
import sys

import pytest
import yaml

import results
from results.folder.run_folder import RunFolder
from sweep.models.rebuild import check_builder

CANARY = "open(__file__ + '.canary', 'w').close()\n"


@pytest.fixture
def strange(small_run, tmp_path, monkeypatch):
    """A stranger's copy of the run, with code of its own in it."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # what is trusted here is not trusted in the next test
    copy = tmp_path / "copy"
    shutil.copytree(small_run, copy)

    def with_builder(name, source=None):
        plan = yaml.safe_load((copy / "plan.yaml").read_text()) | {"builder": name}
        (copy / "plan.yaml").write_text(yaml.safe_dump(plan))
        if source is not None:
            (copy / "evil.py").write_text(CANARY + source)
            ran = json.loads((copy / "fingerprint.json").read_text())
            ran["builder"]["source"] = CANARY + source
            (copy / "fingerprint.json").write_text(json.dumps(ran))
        return copy

    return with_builder


@pytest.mark.parametrize("name", ["evil.py:build", "evil:build"])
def test_a_stranger_s_builder_is_not_run_unasked(strange, name, monkeypatch):
    copy = strange(name, "from trainables.abalone import build_and_compile_model as build\n")
    monkeypatch.chdir(copy)
    run = results.open(copy)
    assert len(run.points) == 8 and len(run.curves(0)) == 3 and run.top(1) is not None
    with pytest.raises(
        ValueError, match=r"not installed here as a module. Making the model would run .*evil.py"
    ):
        run.model(0)
    assert not (copy / "evil.py.canary").exists()
    assert run.model(0, trust=True).count_params() == run.points.set_index("idx").loc[0, "params"]
    assert (copy / "evil.py.canary").exists()


def test_a_builder_that_has_changed_is_not_run_unasked(strange):
    copy = strange("trainables.abalone:build_and_compile_model")
    ran = json.loads((copy / "fingerprint.json").read_text())
    ran["builder"]["source"] += "# another line\n"
    (copy / "fingerprint.json").write_text(json.dumps(ran))
    with pytest.raises(ValueError, match="is not the one that the sweep ran"):
        results.open(copy).model(0)
    results.open(copy).model(0, trust=True)


def test_a_module_beside_the_builder_that_has_changed_is_not_run_unasked(strange, tmp_path, monkeypatch):
    code = tmp_path / "code"
    code.mkdir()
    (code / "beside_it.py").write_text(CANARY + "WIDTH = 1\n")
    source = "import beside_it\nfrom trainables.abalone import build_and_compile_model as build\n"
    (code / "shown.py").write_text(source)
    monkeypatch.syspath_prepend(code)
    copy = strange("shown:build")
    ran = json.loads((copy / "fingerprint.json").read_text())
    ran["builder"] = {"function": "build", "source": source, "modules": {"beside_it": "WIDTH = 2\n"}}
    (copy / "fingerprint.json").write_text(json.dumps(ran))
    with pytest.raises(ValueError, match=r"the source of beside_it, which .*shown.py imports, differs"):
        check_builder(RunFolder(copy))
    assert not (code / "beside_it.py.canary").exists()
    for modules in ({"modules": {"beside_it": CANARY + "WIDTH = 1\n"}}, {}):  # earlier versions have none
        ran["builder"] = {"function": "build", "source": source, **modules}
        (copy / "fingerprint.json").write_text(json.dumps(ran))
        check_builder(RunFolder(copy))


def test_a_builder_of_another_shape_is_said(strange):
    copy = strange("evil.py:build", "from trainables.abalone import build_and_compile_model\n"
                   "def build(input_shape, normalizer, **axes):\n"
                   "    given = {**axes, 'hidden': [3], 'input_shape': input_shape, 'normalizer': normalizer}\n"
                   "    return build_and_compile_model(**given)\n")  # fmt: skip
    with pytest.raises(
        ValueError, match=r"weights of the shapes .* this is not the builder that the sweep ran"
    ):
        results.open(copy).model(0, trust=True)
