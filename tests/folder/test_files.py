"""Files are replaced whole or not at all, and what cannot be written is told with its remedy."""

import pytest

from results.folder.errors import FolderError
from results.folder.files import replace_file, write_json


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    write_json(tmp_path / "progress.json", {"a": 1})
    write_json(tmp_path / "progress.json", {"a": 2})
    assert (tmp_path / "progress.json").read_text() == '{\n "a": 2\n}'
    with pytest.raises(FolderError) as error:
        replace_file(tmp_path / "none" / "file", b"")
    assert "none/file" in str(error.value) and "run the same command again" in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]


def test_on_a_full_disk_the_old_content_stays_and_nothing_else(tiny_disk):
    write_json(tiny_disk / "progress.json", {"a": 1})
    with pytest.raises(FolderError, match=r"progress\.json: cannot be written \(No space left on device\)"):
        replace_file(tiny_disk / "progress.json", bytes(10**6))
    assert (tiny_disk / "progress.json").read_text() == '{\n "a": 1\n}'
    assert [path.name for path in tiny_disk.iterdir()] == ["progress.json"]
