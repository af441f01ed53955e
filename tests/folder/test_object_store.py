"""A path on an object store does what a path of pathlib does, and faults of the store are waited for or named."""

import time

import pytest

from results.folder import object_store, retry
from results.folder.errors import FolderError, UnreachableError
from results.folder.path import any_path

ROOT = "s3://bucket/a run"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(retry, "PATIENCE_S", 15.0)
    monkeypatch.setattr(retry, "BACKOFF_S", 0.01)
    monkeypatch.setattr(retry, "LONGEST_BACKOFF_S", 0.05)
    monkeypatch.setattr(object_store, "REQUEST_TIMEOUT_S", 1.0)


@pytest.fixture
def root(s3, quick):
    return any_path(ROOT)


def test_it_does_what_a_path_does(root):
    file = root / "points" / "part é.parquet"
    assert not file.is_file() and root.glob("*") == []
    file.write_bytes(b"one")
    file.write_bytes(b"other")
    assert file.is_file() and file.read_bytes() == b"other" and file.read_text() == "other"
    (root / "points" / "deeper" / "part-1.parquet").write_bytes(b"")
    [found] = (root / "points").glob("*.parquet")
    assert found == file and found.stat() == file.stat() and found.stat().st_size == 5
    assert abs(found.stat().st_mtime_ns / 1e9 - time.time()) < 60
    file.unlink()
    file.unlink(missing_ok=True)
    for use in (file.read_bytes, file.stat, file.unlink):
        with pytest.raises(FileNotFoundError):
            use()


def test_a_small_object_is_one_request(root, s3):
    (root / "x").write_bytes(b"1")
    s3.seen.clear()
    (root / "x").write_bytes(b"2")
    assert [method for method, _ in s3.seen] == ["PUT"]


@pytest.mark.parametrize("fault", ["503", "500", "429", "cut before", "cut after", "hang"])
def test_what_passes_is_waited_for(root, s3, fault):
    (root / "x").write_bytes(b"old")  # it has answered once
    faults, waited = [fault] * (1 if fault == "hang" else 4), []
    s3.decide = lambda method, path: faults.pop() if faults else None
    (root / "x").write_bytes(b"new", on_wait=lambda: waited.append(1))
    assert waited == [1] and not faults and (root / "x").read_bytes() == b"new"


def test_a_store_that_stays_away_is_given_up(root, s3, monkeypatch):
    (root / "x").write_bytes(b"old")
    monkeypatch.setattr(retry, "PATIENCE_S", 0.5)
    s3.decide = lambda method, path: "503"
    began = time.monotonic()
    with pytest.raises(
        UnreachableError, match=r"a%20run/x: the store does not answer .*503.*AWS_ENDPOINT_URL"
    ):
        (root / "x").write_bytes(b"new")
    assert 0.3 < time.monotonic() - began < 30
    s3.decide = lambda method, path: None
    assert (root / "x").read_bytes() == b"old"


def test_what_does_not_pass_is_said_at_once(root, s3, monkeypatch):
    s3.decide = lambda method, path: "403"
    s3.seen.clear()
    with pytest.raises(FolderError, match=r"access is denied .*AWS_SECRET_ACCESS_KEY.*credentials"):
        (root / "x").write_bytes(b"")
    assert len(s3.seen) == 1
    s3.decide = lambda method, path: None
    with pytest.raises(FolderError, match=r"there is no bucket 'none'\. Make it"):
        any_path("s3://none/a").check_bucket()
    with pytest.raises(FolderError, match=r"there is no bucket 'none'\. Make it"):
        (any_path("s3://none/a") / "x").write_bytes(b"")
    root.check_bucket()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="does not answer"):
        root.check_bucket()
    assert time.monotonic() - began < 30
