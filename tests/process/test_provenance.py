"""What is said of versions and of the machine."""

import keras
import numpy
import ray

from sweep.process import provenance


def test_versions_are_those_that_are_imported():
    found = provenance.versions()
    assert (found["keras"], found["numpy"], found["ray"]) == (
        keras.__version__,
        numpy.__version__,
        ray.__version__,
    )


def test_what_is_not_installed_is_said(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("no-such-package",))
    assert provenance.versions()["no-such-package"] == "not installed"


def test_the_machine_is_told_in_words(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 5})
    assert ", 3 cores, " in provenance.machine()
    monkeypatch.delattr("os.sched_getaffinity")  # as on macOS
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert ", 7 cores, " in provenance.machine()
