"""`sweep export`: what it prints, and that bad input writes no file."""

import json
import subprocess

import pytest

from tests.help.commands import refused
from tests.help.sweeps import SWEEP

pytestmark = pytest.mark.long(30)


def test_an_export_prints_what_it_did_and_nothing_of_tensorflow(small_run, tmp_path):
    target = tmp_path / "my.weights.h5"
    command = [*SWEEP, "export", small_run, "1", target, "--format", "weights", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0 and json.loads(ran.stdout)["metrics"]["loss"] > 0
    assert {path.name for path in tmp_path.iterdir()} == {target.name, f"{target.name}.card.md"}
    assert ran.stderr.splitlines() == [
        "Point 1 is made by the builder trainables.abalone:build_and_compile_model."
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([99, "x.keras"], "Point 99 has no row"),
        ([0, "x.h5"], "has to end with .keras"),
        ([0, "nowhere/x.keras"], "there is no folder"),
    ],
)
def test_bad_exports_are_one_message_and_write_nothing(small_run, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused("export", small_run, *words)
    assert not list(tmp_path.iterdir())
