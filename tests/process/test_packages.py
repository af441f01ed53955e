"""Missing packages are found from what pip has written down."""

import pytest

from sweep.process import packages


def installed(folder, monkeypatch, name, *lines):
    """Let this description of a package come before that of the installed one."""
    about = folder / f"{name.replace('-', '_')}-9.9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.1", f"Name: {name}", "Version: 9.9", *lines]) + "\n"
    )
    monkeypatch.syspath_prepend(str(folder))


def test_nothing_is_missing_where_the_tests_run():
    assert packages.missing() == []


def test_all_that_a_sweep_needs_is_found_missing(tmp_path, monkeypatch):
    installed(tmp_path, monkeypatch, "keras-grid-sweep", "Requires-Python: >=3.11",
              "Requires-Dist: no-such-package", "Requires-Dist: ray[tune]>=9", "Requires-Dist: click")  # fmt: skip
    ray = packages.version("ray")
    assert [one.what for one in packages.missing()] == [
        "no-such-package: it is not installed",
        f"ray {ray}: >=9 is needed",
    ]
    assert all(one.needed for one in packages.missing())


def test_software_that_is_not_installed_is_missing_itself(monkeypatch):
    monkeypatch.setattr(packages, "SOFTWARE", "no-such-software")
    assert [one.what for one in packages.missing()] == ["no-such-software: it is not installed"]


@pytest.mark.parametrize(("needs", "lacks"), [("numpy<9", False), ("nvidia-no-such<9", True)])
def test_tensorflow_lacks_cuda_if_a_package_of_its_extra_is_missing(tmp_path, monkeypatch, needs, lacks):
    extra = "Provides-Extra: and-cuda"
    installed(
        tmp_path,
        monkeypatch,
        "tensorflow",
        extra,
        f'Requires-Dist: {needs}; extra == "and-cuda"',
        "Requires-Dist: x",
    )
    assert packages.lacks_cuda() is lacks


def test_a_package_with_two_names_is_there_under_either(tmp_path, monkeypatch):
    known = {"mlflow-skinny": "3.1"}
    monkeypatch.setattr(packages, "version", known.get)
    assert [one.what for one in packages.optional()] == ["openpyxl", "tensorboard"]
