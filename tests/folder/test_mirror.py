"""What the driver writes on its machine can be read from the store, during the sweep and after it."""

import pytest

from results.folder import mirror
from results.folder.files import replace_file
from results.folder.path import any_path
from tests.help.clusters import wait_until


@pytest.fixture
def there(s3, monkeypatch):
    monkeypatch.setattr(mirror, "EVERY_S", {"progress.json": 0.1, "sweep.log": 1000.0})
    return any_path("s3://bucket/run")


def test_what_changes_is_copied_while_the_block_runs_and_at_its_end(there, tmp_path, s3):
    copy = there / "progress.json"
    with mirror.mirrored(tmp_path, there):
        for content in (b"1", b"2 2"):
            replace_file(tmp_path / "progress.json", content)
            wait_until(lambda: copy.is_file() and copy.read_bytes() == content, 60)  # noqa: B023
        (tmp_path / "sweep.log").write_text("in its time")
        assert not (there / "sweep.log").is_file()
        (tmp_path / "another").write_text("")
    assert (there / "sweep.log").read_text() == "in its time" and not (there / "another").is_file()
    puts = [path for method, path in s3.seen if method == "PUT"]
    assert len(puts) == 3  # nothing is copied that has not changed


def test_of_a_long_log_the_end_is_copied(there, tmp_path, monkeypatch):
    monkeypatch.setattr(mirror, "MOST_BYTES", 4)
    with mirror.mirrored(tmp_path, there):
        (tmp_path / "sweep.log").write_text("0123456789")
    assert (there / "sweep.log").read_text() == "6789"


def test_a_store_that_refuses_copies_does_not_stop_the_sweep_and_the_next_copy_makes_up(there, tmp_path, s3):
    replace_file(tmp_path / "progress.json", b"1")
    s3.decide = lambda method, path: "403"
    with mirror.mirrored(tmp_path, there):
        wait_until(lambda: "PUT" in [method for method, _ in s3.seen], 60)
    s3.decide = lambda method, path: None
    assert not (there / "progress.json").is_file()
    with mirror.mirrored(tmp_path, there):
        pass
    assert (there / "progress.json").read_text() == "1"
