"""Loads the native kernels that this processor can run, from the binaries that setup.py built beside this file.

Terminology
    kernel   the sources in the folder `kernel`, compiled for one kind of processor: "avx512", "avx2" or "neon"
    lanes    how many models it trains side by side: as many as a vector of the processor holds numbers
    record   binaries/build.json: of which sources the binaries are, and why some could not be built

The environment variable SWEEP_KERNEL names the only kernel that is loaded, or is `none`. Its purpose is to compare kernels.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from trainables.errors import TrainablesError

BINARIES = Path(__file__).with_name("binaries")
SOURCES = Path(__file__).with_name("kernel")

VERSION = 8
"""What `version()` of the kernel returns if this package can call its functions."""

VARIABLE = "SWEEP_KERNEL"
NONE = "none"

_AVX2 = frozenset(["avx", "avx2", "fma", "f16c", "bmi1", "bmi2", "abm", "movbe", "xsave"])
NEEDS = {
    "avx512": _AVX2 | frozenset(["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]),
    "avx2": _AVX2,
    "neon": frozenset[str](),
}
"""The features that a processor must have for each kernel, as Linux names them in /proc/cpuinfo."""

KERNELS = {
    ("Linux", "x86_64"): ("avx512", "avx2"),
    ("Linux", "aarch64"): ("neon",),
    ("Darwin", "arm64"): ("neon",),
}
"""The kernels of each kind of machine, the fastest first; setup.py builds the same."""

AGAIN = "Install this software again: `make` in its folder, or `pip install`."
"""The remedy for kernels that were not built, or from other sources."""


class NoKernelError(TrainablesError, RuntimeError):
    """The native kernel cannot be used.

    Attributes:
        reason: why, in one line without a full stop.
        remedy: what to do about it, in one sentence; empty if nothing can be done on this machine.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"The native kernel cannot be used: {reason}.{' ' if remedy else ''}{remedy}")
        self.reason, self.remedy = reason, remedy

    def __reduce__(self) -> tuple[type[NoKernelError], tuple[str, str]]:
        return type(self), (self.reason, self.remedy)


@dataclass(frozen=True)
class Library:
    """A kernel that this process has loaded.

    Attributes:
        name: "avx512", "avx2" or "neon".
        lanes: how many models a vector holds.
        functions: the functions of kernel/kernel.cpp; their argument types are not set.
    """

    name: str
    lanes: int
    functions: ctypes.CDLL


def load() -> Library:
    """Return the best kernel that this processor can run. It is loaded once in a process.

    Raises:
        NoKernelError: there is none; the message says why.
    """
    return load_all()[0]


def load_all() -> tuple[Library, ...]:
    """Return all kernels that this processor can run, the best first; only the one that SWEEP_KERNEL names, if it is set.

    Raises:
        NoKernelError: there is none; the message says why.
    """
    return _loaded(os.environ.get(VARIABLE, ""))


@functools.cache
def _loaded(forced: str) -> tuple[Library, ...]:
    found: list[Library] = []
    failed: list[NoKernelError] = []
    for name in chosen(forced, (platform.system(), platform.machine()), features()):
        try:
            found.append(opened(name))
        except NoKernelError as error:  # one that can be loaded is enough
            failed.append(error)
    if not found:
        raise NoKernelError("; ".join(error.reason for error in failed), AGAIN)
    return tuple(found)


def chosen(forced: str, machine: tuple[str, str], has: frozenset[str]) -> list[str]:
    """Return the names of the kernels to load, the best first.

    Args:
        forced: the value of SWEEP_KERNEL; empty if it is not set.
        machine: the names of the operating system and the processor, as `platform` returns them.
        has: the features of the processor.

    Raises:
        NoKernelError: there is none for this machine or processor, none was built, or the user wants none.
    """
    if forced == NONE:
        raise NoKernelError(f"{VARIABLE}={NONE} switches it off", f"Unset {VARIABLE}.")
    if forced and forced not in NEEDS:
        names = ", ".join(NEEDS)
        raise NoKernelError(f'{VARIABLE} got "{forced}", but needs {names} or {NONE}', f"Correct {VARIABLE}.")
    there = KERNELS.get(machine, ())
    wanted = [name for name in there if forced in ("", name)]
    if not wanted:
        which = f"kernel {forced}" if forced else "kernel"
        raise NoKernelError(
            f"there is no {which} for {' '.join(machine)}", f"Unset {VARIABLE}." if there else ""
        )
    able = [name for name in wanted if has >= NEEDS[name]]
    if not able:
        missing = ", ".join(sorted(NEEDS[wanted[-1]] - has))
        raise NoKernelError(
            f"this processor lacks {missing}, which the kernel {wanted[-1]} needs",
            f"Unset {VARIABLE}." if forced else "",
        )
    built = [name for name in able if _file(name).is_file()]
    if not built:
        why = _record().get("failed", {}).get(able[0])
        raise NoKernelError("it was not built" + (f": {why}" if why else ""), AGAIN)
    return built


def opened(name: str) -> Library:
    """Load the kernel `name`.

    Raises:
        NoKernelError: it was built from other sources, or cannot be loaded.
    """
    if _record().get("source") != digest(SOURCES):
        raise NoKernelError(f"{name} was built from other sources", AGAIN)
    try:
        functions = ctypes.CDLL(str(_file(name)))
        version, lanes = functions.version(), functions.lanes()
    except (OSError, AttributeError) as error:
        raise NoKernelError(f"{name} cannot be loaded ({error})", AGAIN) from None
    if version != VERSION:
        raise NoKernelError(f"{name} has version {version}, but version {VERSION} is needed", AGAIN)
    return Library(name, lanes, functions)


def digest(folder: Path) -> str:
    """Return a digest of the kernel's sources in a folder, as setup.py computes it."""
    files = sorted([*folder.glob("*.cpp"), *folder.glob("*.h")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def lacking_in_place_of(name: str) -> dict[str, str]:
    """Return the faster kernels that this processor could run in place of `name`, and why each was not built or loaded."""
    failed = _record().get("failed", {})
    found: dict[str, str] = {}
    has = features()
    for other in list(NEEDS)[: list(NEEDS).index(name)]:
        if NEEDS[other] - has:
            continue
        if other in failed:
            found[other] = f"it was not built: {failed[other]}"
        elif _file(other).is_file():
            try:
                opened(other)
            except NoKernelError as error:
                found[other] = error.reason
    return found


def features() -> frozenset[str]:
    """Return the features of this processor as Linux names them; none if the system does not list them so."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:  # only up to the first processor, since a machine may have hundreds
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()


def _file(name: str) -> Path:
    return BINARIES / f"{name}.so"


def _record() -> dict:
    try:
        found = json.loads((BINARIES / "build.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sentence() -> str:
    """Return one sentence about the kernel of this machine."""
    try:
        found = load()
    except NoKernelError as error:
        return f"{error} XLA compiles what trains."
    return f"The native kernel {found.name} trains {found.lanes} models side by side in each core."


if __name__ == "__main__":  # make calls this after the build, whose own output pip does not show
    print(sentence())
