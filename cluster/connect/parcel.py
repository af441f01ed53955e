"""Makes the parcel that is sent to a cluster: a copy of this software and of the user's code.

A parcel is a folder that is made for one sweep:

    sweep/ trainables/ results/ cluster/   the packages, as this process imports them, with the binaries of the kernel
    user/                                  the user's folder, if there is one, without data and other large files

Ray sends it to every node and makes it the working directory of all processes there.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

from cluster.errors import ClusterError

PACKAGES = ("sweep", "trainables", "results", "cluster")
"""The packages of this software."""

USER = "user"
"""The folder in a parcel that holds the user's code."""

MAX_FILE_BYTES = 2**20
"""Larger files in the user's folder are not sent, because they are not code."""

MAX_BYTES = 64 * 2**20
"""The user's part of a parcel must not be larger, because Ray stores the parcel in the head's memory."""

JUNK = frozenset({"__pycache__", "node_modules", "site-packages"})
"""Folders that are not sent. Hidden folders, virtual environments and runs are not sent either."""

BUILT = frozenset({"build", "dist"})
"""Folders that tools of packages make: like links to folders, they are sent only if a Python file is directly in them."""

DATA = frozenset(
    [
        ".arrow",
        ".csv",
        ".data",
        ".db",
        ".feather",
        ".gz",
        ".h5",
        ".hdf5",
        ".jsonl",
        ".keras",
        ".log",
        ".npy",
        ".npz",
        ".orc",
        ".parquet",
        ".pickle",
        ".pkl",
        ".pt",
        ".sqlite",
        ".tar",
        ".tfrecord",
        ".tsv",
        ".whl",
        ".xls",
        ".xlsm",
        ".xlsx",
        ".xz",
        ".zip",
        ".zst",
    ]
)
"""Endings of files that are not sent: tables, models, archives, logs. The sweep's table is sent in another way."""


def package_folder(name: str) -> Path:
    """Return the folder that the package `name` of this software is imported from."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ClusterError(f"The package {name} of this software cannot be found, so it cannot be sent.")
    return Path(next(iter(spec.submodule_search_locations)))


def make(into: Path, user: Path | None = None) -> Path:
    """Make a parcel in the new folder `into`, and return it.

    Args:
        into: must not exist yet.
        user: the folder of the user's code; None if all of it is installed on the nodes.

    Raises:
        ClusterError: the user's part of the parcel would be too large, or cannot be read.
    """
    for name in PACKAGES:
        shutil.copytree(package_folder(name), into / name, ignore=shutil.ignore_patterns("__pycache__"))
    if user is not None:
        files = sorted(files_to_send(user))
        sizes = {path: path.stat().st_size for path in files}
        if sum(sizes.values()) > MAX_BYTES:
            largest = sorted(files, key=lambda path: -sizes[path])[:3]
            listed = ", ".join(
                f"{path.relative_to(user)} ({sizes[path] / 2**20:.1f} MiB)" for path in largest
            )
            raise ClusterError(
                f"{user}: {len(files):,} files with {sum(sizes.values()) / 2**20:,.0f} MiB would be sent to the cluster, "
                f"but {MAX_BYTES / 2**20:.0f} MiB is the most. The largest: {listed}. Put the builder into a folder of "
                "its own."
            )
        for path in files:
            target = into / USER / path.relative_to(user)
            target.parent.mkdir(parents=True, exist_ok=True)
            with _readable():
                content = path.read_bytes()
            target.write_bytes(content)
        (into / USER).mkdir(exist_ok=True)
    return into


def files_to_send(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield the files of a user's folder that are sent: code, and small files that it may read.

    Args:
        folder: the user's folder, or one in it.
        above: the folders that it is in, with all links followed; a link to one of them has no end.

    Raises:
        ClusterError: a file or a folder cannot be read.
    """
    with _readable():
        entries = list(folder.iterdir())
        above |= {folder.resolve()}
    for path in entries:
        with _readable():
            is_left_out = path.name.startswith(".") or (path.is_symlink() and not path.exists())
            is_folder = not is_left_out and path.is_dir()
            is_sent = not is_left_out and (_is_sent(path, above) if is_folder else _is_small_file(path))
        if is_sent and is_folder:
            yield from files_to_send(path, above)
        elif is_sent:
            yield path


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Turn the error of a file that cannot be read into a message: to leave it out could fail only on the cluster."""
    try:
        yield
    except OSError as error:
        raise ClusterError(
            f"{error.filename}: cannot be read ({error.strerror}), but the builder's folder is sent to the cluster. Correct "
            "the rights, or put the builder into a folder of its own."
        ) from None


def _is_sent(folder: Path, above: frozenset[Path]) -> bool:
    if folder.name in JUNK or folder.name.endswith(".egg-info"):
        return False
    if any((folder / name).exists() for name in ("fingerprint.json", "pyvenv.cfg", "conda-meta")):
        return False  # a run, or an environment
    if folder.name not in BUILT and not folder.is_symlink():
        return True
    return folder.resolve() not in above and any(folder.glob("*.py"))


def _is_small_file(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() not in DATA and path.stat().st_size <= MAX_FILE_BYTES


def digest() -> str:
    """Return a digest of the source of this software as this process would import it, in hexadecimal."""
    found = hashlib.blake2b(digest_size=8)
    for name in PACKAGES:
        folder = package_folder(name)
        # The native kernel is source, too. Its binaries are not compared: each machine may have built its own.
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.cpp")]):
            found.update(f"{name}/{path.relative_to(folder).as_posix()}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()
