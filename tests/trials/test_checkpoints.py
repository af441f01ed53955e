"""Checkpoints of cohorts: what is saved is found by its points, and nothing damaged or foreign is ever used."""

import hashlib
import io
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from trainables.trials.checkpoints import LocalCheckpoints


def state(idx, alive=None, number=0.0):
    alive = np.ones(len(idx), bool) if alive is None else np.array(alive)
    return {
        "idx": np.array(idx, np.int64),
        "alive": alive,
        "epoch": np.array(3),
        "status": np.where(alive, "running", "pruned"),
        "stack.weights": np.full((len(idx), 2), number, np.float32),
        "history": np.zeros((0, len(idx), 5), np.float32),
    }


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "a folder é"


@pytest.fixture
def kept(folder):
    return LocalCheckpoints(str(folder))


def found(kept, idx):
    return [(present.tolist(), read) for present, read in kept.find(np.array(idx))]


def test_what_is_saved_is_found_whole(kept, folder):
    saved = state([4, 2, 9], number=1.5)
    kept.save("one", saved)
    ((present, read),) = found(LocalCheckpoints(str(folder)), [2, 4, 9])
    assert present == [2, 4, 9] and list(read) == list(saved)
    for name, array in saved.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)
    assert [path.name for path in folder.iterdir()] == ["one.npz"]


def test_a_later_state_takes_the_place_of_an_earlier(kept):
    kept.save("one", state([1, 2], number=1))
    kept.save("one", state([1, 2], number=2))
    ((_, read),) = found(kept, [1])
    assert (read["stack.weights"] == 2).all()


def test_what_is_forgotten_is_gone(kept, folder):
    kept.forget("never saved")
    kept.save("one", state([1]))
    kept.save("two", state([2]))
    kept.forget("one")
    assert [present for present, _ in found(kept, [1, 2])] == [[2]]
    assert len(list(folder.iterdir())) == 1


SETS = st.lists(st.integers(0, 30), unique=True, min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SETS, SETS, st.randoms(use_true_random=False))
def test_points_in_training_are_found_and_no_others(kept, saved, asked, chance):
    alive = [chance.random() < 0.7 for _ in saved]
    kept.save("one", state(saved, alive))
    overlap = sorted(set(asked) & {idx for idx, lives in zip(saved, alive, strict=True) if lives})
    assert [present for present, _ in found(kept, asked)] == ([overlap] if overlap else [])


def test_points_of_several_cohorts_are_found_in_each(kept):
    kept.save("a", state([1, 2, 3], number=1))
    kept.save("b", state([4, 5], number=2))
    kept.save("c", state([6], number=3))
    both = found(kept, [5, 3, 2, 77])
    # The latest first, which is the furthest of those that hold a point.
    assert [(present, read["stack.weights"][0, 0]) for present, read in both] == [([5], 2), ([2, 3], 1)]


def test_checkpoints_of_other_cohorts_are_not_read_whole(kept, folder, monkeypatch):
    for name, idx in (("mine", [1, 2]), ("other", [3, 4]), ("over", [1])):
        kept.save(name, state(idx, alive=[name != "over"] * len(idx)))
    read, whole = [], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path.name), whole(path))[1])
    assert [present for present, _ in found(kept, [1, 2, 5])] == [[1, 2]] and read == ["mine.npz"]


@pytest.fixture
def bytes_of_one(kept, folder):
    kept.save("a", state([1, 2]))
    kept.save("b", state([3]))
    return (folder / "a.npz").read_bytes()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_passed_over(kept, folder, bytes_of_one, share, bit):
    damaged = bytearray(bytes_of_one)
    damaged[int(share * len(damaged))] ^= 1 << bit
    (folder / "a.npz").write_bytes(damaged)
    assert [present for present, _ in found(kept, [1, 2, 3])] == [[3]]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_passed_over(kept, folder, bytes_of_one, share):
    (folder / "a.npz").write_bytes(bytes_of_one[: int(share * len(bytes_of_one))])
    assert [present for present, _ in found(kept, [1, 2, 3])] == [[3]]


@pytest.mark.parametrize("content", [b"no archive at all", b"PK\x03\x04 and no more"])
def test_a_sealed_file_that_is_no_archive_is_passed_over(kept, folder, content):
    kept.save("b", state([3]))
    (folder / "a.npz").write_bytes(hashlib.blake2b(content).digest() + content)
    (folder / "c.npz").mkdir()
    assert [present for present, _ in found(kept, [1, 2, 3])] == [[3]]


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def test_no_pickle_is_loaded(kept, folder, tmp_path):
    kept.save("b", state([3]))
    buffer, mark = io.BytesIO(), tmp_path / "mark"
    np.savez(buffer, **state([1]), trap=np.array([Trap(mark)], object))
    content = buffer.getvalue()
    (folder / "a.npz").write_bytes(hashlib.blake2b(content).digest() + content)
    assert [present for present, _ in found(kept, [1, 3])] == [[3]]
    assert not mark.exists()
    with np.load(io.BytesIO(content), allow_pickle=True) as file:  # the trap is one
        file["trap"][0].close()
    assert mark.exists()


def test_on_a_full_disk_training_goes_on_from_the_last_one(tiny_disk):
    kept = LocalCheckpoints(str(tiny_disk / "checkpoints"))
    kept.save("one", state([1, 2], number=1))
    kept.save("one", state([1, 2]) | {"large": np.zeros(10**6, np.uint8)})
    kept.save("two", state([3]) | {"large": np.zeros(10**6, np.uint8)})
    ((present, read),) = found(kept, [1, 2, 3])
    assert present == [1, 2] and (read["stack.weights"] == 1).all()
