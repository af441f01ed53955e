"""A wheel has the kernels of this machine in it and serves every Python; a build that fails leaves a wheel that works."""

import os
import subprocess
import sys
import zipfile

import pytest

from tests.help.repository import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.long(60)]


@pytest.fixture
def source(tmp_path):
    """A copy of what is tracked, since pip writes into the folder that it builds."""
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT
    )
    folder = tmp_path / "the source, with spaces"
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def wheel_of(source, into, **environment):
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-index",
        "--no-build-isolation",
        "--no-deps",
        "--wheel-dir",
    ]
    ran = subprocess.run(
        [*command, into, source],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=390,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (wheel,) = into.glob("*.whl")
    return wheel


def said_by(wheel, folder):
    """Return what the software in a wheel says about its kernel; as if installed, from another working directory."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    environment.pop("SWEEP_KERNEL", None)
    command = [sys.executable, "-m", "trainables.native.library"]
    return subprocess.check_output(command, cwd=folder.parent, env=environment, text=True)


def test_a_wheel_has_the_kernels_and_is_for_every_python_of_this_platform(source, tmp_path):
    wheel = wheel_of(source, tmp_path / "wheels")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    kernels = {name for name in names if name.endswith(".so")}
    assert {"trainables/native/kernel/kernel.cpp", "trainables/native/kernel/lanes.h"} <= {
        *names
    } and "trainables/native/binaries/build.json" in names
    if not kernels:
        assert "there is no kernel for" in said_by(wheel, tmp_path / "unpacked")
        assert wheel.name.endswith("-py3-none-any.whl")
        return
    assert kernels <= {f"trainables/native/binaries/{name}.so" for name in ("avx512", "avx2", "neon")}
    tag = wheel.stem.split("-", 2)[2]
    assert tag.startswith(("py3-none-manylinux_2_17_", "py3-none-macosx_11_0_"))
    assert not [name for name in names if ".data/" in name]
    said = said_by(wheel, tmp_path / "unpacked")
    assert "models side by side" in said or "this processor lacks" in said


def test_a_build_that_fails_is_told_in_one_line_and_leaves_the_software_without_a_kernel(source, tmp_path):
    stand_in = tmp_path / "broken"
    (stand_in / "ziglang").mkdir(parents=True)
    script = "import sys; sys.exit('compiling\\nkernel.cpp:3:1: error: no such thing\\n1 error generated.')"
    (stand_in / "ziglang" / "__main__.py").write_text(script)
    (stand_in / "ziglang" / "__init__.py").touch()
    wheel = wheel_of(source, tmp_path / "wheels", PYTHONPATH=str(stand_in))
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".so")]
    said = said_by(wheel, tmp_path / "unpacked")
    assert said.count("\n") == 1
    assert (
        "there is no kernel for" in said or "it was not built: kernel.cpp:3:1: error: no such thing." in said
    )
