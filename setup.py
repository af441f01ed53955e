"""Builds the native kernel, trainables/native/kernel, whenever this software is installed or a wheel of it is made.

ziglang is clang in the form of a Python package, so the machine needs no compiler. If the build fails, this software is
installed without the kernel, and XLA compiles what trains the points.

The files are put beside trainables/native/library.py, which loads them:

    binaries/avx512.so, avx2.so, neon.so   one for each kind of processor
    binaries/build.json                    of which sources they are, and why one of them is missing
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.install import install

SOURCES = Path("trainables/native/kernel")
BINARIES = Path("trainables/native/binaries")

# V is how many models a vector holds. A machine that is not listed here gets no kernel.
KERNELS = {
    ("Linux", "x86_64"): {
        "avx512": "-march=x86_64_v4 -mprefer-vector-width=512 -DV=16",
        "avx2": "-march=x86_64_v3 -DV=8",
    },
    ("Linux", "aarch64"): {"neon": "-mcpu=baseline -DV=4"},
    ("Darwin", "arm64"): {"neon": "-mcpu=apple_m1 -DV=4"},
}
# Zig brings the headers of each version of glibc, so that a binary runs on every system since 2.17 (2012), as the tag says.
TARGETS = {
    ("Linux", "x86_64"): ("x86_64-linux-gnu.2.17", "manylinux_2_17_x86_64"),
    ("Linux", "aarch64"): ("aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64"),
    ("Darwin", "arm64"): ("aarch64-macos.11.0", "macosx_11_0_arm64"),
}
# -ffp-contract=on: with `fast`, a model's bits would depend on the optimizers of its neighbours.
# -fno-sanitize=all: else zig adds checks that end the process.
FLAGS = (
    "-x c++ -std=c++17 -O3 -shared -fPIC -g0 -s -fno-exceptions -fno-rtti -fno-math-errno -fno-trapping-math "
    "-ffp-contract=on -fno-sanitize=all"
)
LIMIT_S = 900


def digest(folder: Path) -> str:
    """Return a digest of the kernel's sources in a folder, as trainables/native/library.py computes it."""
    files = sorted([*folder.glob("*.cpp"), *folder.glob("*.h")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def kernels() -> dict[str, str]:
    """Return the flags of each kernel for this machine, by the kernel's name."""
    if platform.system() == "Linux" and platform.libc_ver()[0] != "glibc":
        return {}
    return KERNELS.get((platform.system(), platform.machine()), {})


def compiled(flags: str, into: Path) -> str:
    """Compile the kernel into the file `into`; return why that failed, else an empty text."""
    target, _ = TARGETS[platform.system(), platform.machine()]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, *f"{flags} {FLAGS}".split()]
    # Zig's cache of 40 MiB would stay in the user's home.
    cache = dict.fromkeys(["ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"], str(into.with_name("cache")))
    try:
        subprocess.run(
            [*command, str(SOURCES / "kernel.cpp"), "-o", str(into)],
            env={**cache, **os.environ},
            check=True,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
        )
    except subprocess.CalledProcessError as error:
        said = [line.strip() for line in error.stderr.splitlines() if line.strip()] or [str(error)]
        if "No module named ziglang" in said[-1]:
            return "the package ziglang is not installed"
        return next((line for line in said if "error:" in line), said[-1])[:300]
    except (OSError, subprocess.SubprocessError) as error:
        return f"{error}"[:300]
    return ""


def build(folder: Path) -> None:
    """Compile all kernels of this machine at once, and put them and their record into `folder`."""
    with tempfile.TemporaryDirectory(prefix="kernel-") as name:
        files = {kernel: Path(name, f"{kernel}.so") for kernel in kernels()}
        with ThreadPoolExecutor() as pool:
            reasons = dict(zip(files, pool.map(compiled, kernels().values(), files.values()), strict=True))
        failed = {kernel: reason for kernel, reason in reasons.items() if reason}
        # A new file, since a sweep may run from the old one.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for kernel in files.keys() - failed.keys():
            shutil.copyfile(files[kernel], folder / f"{kernel}.so")
    record = {"source": digest(SOURCES), "failed": failed}
    (folder / "build.json").write_text(json.dumps(record) + "\n")
    for kernel, reason in failed.items():
        print(f"The native kernel {kernel} was not built: {reason}. Other engines train in its place.")


class BuildWithKernel(build_py):
    """Copies the packages, and builds the kernel; for an editable installation it builds into the source tree."""

    def run(self) -> None:
        """Copy the packages and build the kernel; an installation goes on without one."""
        super().run()
        try:
            build(BINARIES if self.editable_mode else Path(self.build_lib) / BINARIES)
        except OSError as error:
            print(f"No native kernel was built: {error}. Other engines train in its place.")


class Install(install):
    """Installs beside each other what is Python and what is not."""

    def finalize_options(self) -> None:
        """Choose the folder of what depends on the platform for all files."""
        super().finalize_options()
        self.install_lib = self.install_platlib


class PlatformWheel(bdist_wheel):
    """Makes a wheel for this platform and all versions of Python, because no kernel uses Python's C API."""

    def finalize_options(self) -> None:
        """Say that the wheel has more in it than Python."""
        super().finalize_options()
        self.root_is_pure = not kernels()

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tags of Python, its C API and the platform."""
        if self.root_is_pure:
            return "py3", "none", "any"
        return "py3", "none", TARGETS[platform.system(), platform.machine()][1]


commands = {"build_py": BuildWithKernel, "bdist_wheel": PlatformWheel}
if kernels():
    commands["install"] = Install
setup(cmdclass=commands)
