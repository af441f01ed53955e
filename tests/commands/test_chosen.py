"""What every command that reads a folder says of one that it cannot read."""

import pytest

from results.folder.run_folder import RunFolder
from results.store.store import Store
from tests.help.commands import message
from tests.help.rows import AXES, finished

READING = [["status"], ["top"], ["importance"], ["curves"], ["effects", "rate"], ["report"]]


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_folder_without_a_sweep_is_said(tmp_path, words):
    command, *rest = words
    assert "no sweep here" in message(command, tmp_path / "nowhere", *rest)


@pytest.mark.parametrize("command", ["status", "top"])
def test_a_damaged_part_is_said_not_shown(tmp_path, command):
    folder = RunFolder(tmp_path / "out")
    folder.create()
    Store(folder, AXES).commit([finished(idx) for idx in range(5)])
    (part,) = folder.points.iterdir()
    raw = bytearray(part.read_bytes())
    raw[len(raw) // 2] ^= 1
    part.write_bytes(raw)
    assert "part-00000.parquet is damaged" in message(command, tmp_path / "out")
