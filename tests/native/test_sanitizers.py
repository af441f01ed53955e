"""Random tasks in guarded memory, and by kernels that clang's sanitizers watch: nothing is read or written outside.

Pages that nobody may touch stand before and behind each array, for the kernels as they are. UndefinedBehaviorSanitizer comes
with ziglang. AddressSanitizer needs gcc's libasan, which ziglang lacks; without it, that test is skipped. None of them sees
what is wrong inside the one array in which a kernel keeps its numbers: test_reference.py fills that with NaN.
"""

import ctypes.util
import os
import subprocess
import sys

import pytest

from tests.help.kernels import HERE, opened
from tests.help.repository import ROOT
from trainables.native import library

pytestmark = [pytest.mark.slow, pytest.mark.long(90)]

FLAGS = {
    "avx512": ["-march=x86_64_v4", "-DV=16"],
    "avx2": ["-march=x86_64_v3", "-DV=8"],
    "neon": ["-mcpu=baseline", "-DV=4"],
}
LIKE_SETUP = [
    *(
        "-x",
        "c++",
        "-std=c++17",
        "-O1",
        "-g",
        "-shared",
        "-fPIC",
        "-fno-exceptions",
        "-fno-rtti",
        "-ffp-contract=on",
    ),
    *("-fno-math-errno", "-fno-trapping-math"),
]


def trains(binary, kind, end, *fault, **environment):
    """Train the tasks of some seeds in a process of its own; return it when it has ended."""
    command = [sys.executable, "-m", "tests.help.guarded", str(binary), kind, "0", str(end), *fault]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=390
    )


def assert_trains(ran, end):
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]
    assert ran.stdout.startswith(f"{end} tasks")


def compiled(folder, *sanitizer):
    name = HERE[-1]
    opened(name)
    binary = folder / f"{name}.so"
    cache = dict.fromkeys(["ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"], str(folder / "cache"))
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS[name], *LIKE_SETUP, *sanitizer]
    made = subprocess.run(
        [*command, library.SOURCES / "kernel.cpp", "-o", binary],
        env={**os.environ, **cache},
        capture_output=True,
        text=True,
    )
    if "No module named ziglang" in made.stderr:
        pytest.skip("the package ziglang is not installed")
    assert made.returncode == 0, made.stderr[-3000:]
    return binary


@pytest.mark.parametrize("name", HERE)
def test_no_kernel_touches_a_page_beside_an_array(name):
    opened(name)
    binary = library.BINARIES / f"{name}.so"
    assert_trains(trains(binary, "pages", 1000), 1000)
    assert trains(binary, "pages", 20, "short").returncode < 0


def test_no_kernel_does_what_c_leaves_undefined(tmp_path):
    binary = compiled(tmp_path, "-fsanitize=undefined", "-fno-sanitize-recover=all")
    assert_trains(trains(binary, "exact", 300), 300)
    ran = trains(binary, "exact", 20, "shifted")
    assert ran.returncode and "alignment" in ran.stderr


def test_the_address_sanitizer_finds_nothing(tmp_path):
    runtime = ctypes.util.find_library("asan")
    if runtime is None:
        pytest.skip("needs libasan, which comes with gcc")
    binary = compiled(tmp_path, "-fsanitize=address")
    watched = {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"}
    assert_trains(trains(binary, "exact", 300, **watched), 300)
    ran = trains(binary, "exact", 20, "short", **watched)
    assert ran.returncode and "heap-buffer-overflow" in ran.stderr
