"""Parcels: what is code travels, what is junk or data stays behind, and what arrives can be imported."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.connect import parcel
from cluster.errors import ClusterError

TRAVELS = [
    "model.py",
    "helpers/layers.py",
    "helpers/__init__.py",
    "vocabulary.txt",
    "settings.yaml",
    "é ü.json",
    "runs/recurrent.py",
    "env/simulation.py",
    "venv/shop.py",
    "build/model.py",
    "build/parts/layer.py",
    "dist/normal.py",
    "helpers/build/more.py",
]
STAYS = [
    "table.csv",
    "TABLE.CSV",
    "weights.h5",
    "archive.tar.gz",
    ".git/config",
    ".env",
    "__pycache__/model.pyc",
    "runs/abalone/fingerprint.json",
    "runs/abalone/plan.yaml",
    "helpers/dist/mine.txt",
    "node_modules/a.js",
    "mine.egg-info/PKG-INFO",
    "my-env/pyvenv.cfg",
    "my-env/lib/x.py",
    "of-conda/conda-meta/history",
    "of-conda/lib/python3.11/os.py",
    "old-run/fingerprint.json",
    "old-run/plan.yaml",
    "helpers/.hidden.py",
]


@pytest.fixture
def user(tmp_path):
    folder = tmp_path / "the user's folder é"
    for name in [*TRAVELS, *STAYS]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}")
    (folder / "large.txt").write_bytes(bytes(parcel.MAX_FILE_BYTES + 1))
    (folder / "nowhere").symlink_to("gone")
    (folder / "loop").symlink_to(folder)
    (folder / "helpers" / "loop").symlink_to(folder / "helpers")
    return folder


def test_code_travels_and_junk_and_data_stay(user):
    found = {path.relative_to(user).as_posix() for path in parcel.files_to_send(user)}
    assert found == set(TRAVELS)


def test_code_behind_a_link_travels_but_not_other_files_behind_one(user, tmp_path):
    for name in ("shared/losses.py", "shared/deep/more.py", "shared/deep/er/most.py", "pictures/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}")
    (tmp_path / "shared" / "back").symlink_to(user)
    (user / "shared").symlink_to(tmp_path / "shared")
    (user / "pictures").symlink_to(tmp_path / "pictures")
    found = {path.relative_to(user).as_posix() for path in parcel.files_to_send(user)}
    assert found == {*TRAVELS, "shared/losses.py", "shared/deep/more.py", "shared/deep/er/most.py"}
    made = parcel.make(tmp_path / "parcel", user)
    assert (made / parcel.USER / "shared" / "losses.py").read_text() == "# shared/losses.py"


def test_a_parcel_holds_this_software_and_the_user_s_folder(user, tmp_path):
    made = parcel.make(tmp_path / "parcel", user)
    assert sorted(path.name for path in made.iterdir()) == sorted([*parcel.PACKAGES, parcel.USER])
    for name in TRAVELS:
        assert (made / parcel.USER / name).read_text() == f"# {name}"
    assert not list(made.rglob("__pycache__"))
    # What is imported from the parcel is the same software, though the installed one is another.
    code = "import sweep, cluster.connect.parcel as p; print(sweep.__file__); print(p.digest())"
    answer = subprocess.check_output([sys.executable, "-c", code], cwd=made, text=True).splitlines()
    assert Path(answer[0]).is_relative_to(made) and answer[1] == parcel.digest()
    for changed in ("results/schema.py", "trainables/native/kernel/kernel.cpp"):
        before = (made / changed).read_text()
        (made / changed).write_text("changed = True\n")
        other = subprocess.check_output([sys.executable, "-c", code], cwd=made, text=True).splitlines()
        assert other[1] != parcel.digest()
        (made / changed).write_text(before)


def test_a_parcel_holds_the_native_kernel_as_it_was_built_here(tmp_path):
    """Ray leaves out what a .gitignore in a parcel names, and the binaries are ignored by git."""
    made = parcel.make(tmp_path / "parcel")
    here = parcel.package_folder("trainables") / "native"
    sent = {path.name: path.read_bytes() for path in here.glob("binaries/*")}
    assert {path.name: path.read_bytes() for path in made.glob("trainables/native/binaries/*")} == sent
    assert not list(made.rglob(".gitignore"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    say = [sys.executable, "-m", "trainables.native.library"]
    said = subprocess.check_output(say, cwd=made, text=True, env=environment)
    assert said == subprocess.check_output(say, cwd=here.parents[1], text=True, env=environment)


def test_without_a_user_s_folder_there_is_none(tmp_path):
    made = parcel.make(tmp_path / "parcel")
    assert not (made / parcel.USER).exists()


def test_a_folder_that_is_too_large_is_refused_with_its_largest_files(user, tmp_path, monkeypatch):
    monkeypatch.setattr(parcel, "MAX_BYTES", 2000)
    (user / "helpers" / "big.py").write_bytes(b"#" * 3000)
    with pytest.raises(ClusterError, match=r"MiB would be sent.*helpers/big\.py"):
        parcel.make(tmp_path / "parcel", user)


def test_an_unreadable_file_is_no_reason_to_fail_before_it_is_needed(user):
    os.mkfifo(user / "pipe")  # reading it would never end
    assert "pipe" not in {path.name for path in parcel.files_to_send(user)}


@pytest.mark.parametrize(
    ("name", "call"), [("helpers", "iterdir"), ("model.py", "is_dir"), ("helpers/layers.py", "read_bytes")]
)
def test_what_cannot_be_read_is_named(user, tmp_path, monkeypatch, name, call):
    """By a stand-in, since root may read everything."""
    before = getattr(Path, call)

    def refuse(path):
        if path == user / name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return before(path)

    monkeypatch.setattr(Path, call, refuse)
    with pytest.raises(ClusterError, match=f"{name}: cannot be read .Permission denied.*folder of its own"):
        parcel.make(tmp_path / "parcel", user)
