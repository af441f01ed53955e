"""The kernel that is loaded is the best that the processor can run; what cannot be loaded is refused with the reason."""

import ast
import hashlib
import json
import pickle
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.help.repository import ROOT
from trainables.errors import TrainablesError
from trainables.native import library
from trainables.native.library import NEEDS, SOURCES, VARIABLE, VERSION, NoKernelError

X86 = ("Linux", "x86_64")
HERE = library.KERNELS.get((platform.system(), platform.machine()), ("avx512",))


@pytest.fixture
def binaries(tmp_path, monkeypatch):
    """An empty folder of binaries."""
    folder = tmp_path / "bínaries"
    folder.mkdir()
    monkeypatch.setattr(library, "BINARIES", folder)
    monkeypatch.delenv(VARIABLE, raising=False)
    library._loaded.cache_clear()
    yield folder
    library._loaded.cache_clear()


def record(folder, source=None, **failed):
    source = library.digest(SOURCES) if source is None else source
    (folder / "build.json").write_text(json.dumps({"source": source, "failed": failed}))


def compile_into(file, text):
    """Compile a small library by whatever compiler is there."""
    compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    command = [compiler] if compiler else [sys.executable, "-m", "ziglang", "cc"]
    source = file.with_suffix(".c")
    source.write_text(text)
    made = subprocess.run([*command, "-shared", "-fPIC", source, "-o", file], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"there is no compiler: {made.stderr[-200:]}")


def kernel(lanes, version=VERSION):
    return f"int lanes(void) {{ return {lanes}; }}\nint version(void) {{ return {version}; }}\n"


def reason(forced="", machine=X86, has=NEEDS["avx512"]):
    with pytest.raises(NoKernelError) as found:
        library.chosen(forced, machine, has)
    return found.value.reason


def test_the_best_kernel_that_was_built_and_that_the_processor_can_run_is_chosen(binaries):
    (binaries / "avx2.so").touch()
    assert library.chosen("", X86, NEEDS["avx512"]) == ["avx2"]
    (binaries / "avx512.so").touch()
    assert library.chosen("", X86, NEEDS["avx512"]) == ["avx512", "avx2"]
    assert library.chosen("", X86, NEEDS["avx512"] - {"avx512vl"}) == ["avx2"]
    (binaries / "neon.so").touch()
    for machine in ("Linux", "aarch64"), ("Darwin", "arm64"):
        assert library.chosen("", machine, frozenset()) == ["neon"]


def test_a_kernel_can_be_forced(binaries):
    for name in NEEDS:
        (binaries / f"{name}.so").touch()
    assert library.chosen("avx2", X86, NEEDS["avx512"]) == ["avx2"]
    assert library.chosen("avx512", X86, NEEDS["avx512"]) == ["avx512"]
    assert reason("none") == "SWEEP_KERNEL=none switches it off"
    assert reason("AVX2") == 'SWEEP_KERNEL got "AVX2", but needs avx512, avx2, neon or none'
    assert reason("neon") == "there is no kernel neon for Linux x86_64"
    lacks = (
        "this processor lacks avx512bw, avx512cd, avx512dq, avx512f, avx512vl, which the kernel avx512 needs"
    )
    assert reason("avx512", has=NEEDS["avx2"]) == lacks


def test_a_machine_without_a_kernel_is_told_why(binaries):
    assert reason(machine=("Linux", "riscv64")) == "there is no kernel for Linux riscv64"
    assert reason(machine=("Darwin", "x86_64")) == "there is no kernel for Darwin x86_64"
    assert reason(has=NEEDS["avx2"] - {"fma"}) == "this processor lacks fma, which the kernel avx2 needs"
    assert reason() == "it was not built"
    record(binaries, avx512="the package ziglang is not installed")
    assert reason() == "it was not built: the package ziglang is not installed"
    (binaries / "build.json").write_text("[")
    assert reason() == "it was not built"


def test_a_kernel_is_loaded_once_and_says_how_many_lanes_it_has(binaries, monkeypatch):
    record(binaries)
    for lanes, name in enumerate(HERE, start=3):
        compile_into(binaries / f"{name}.so", kernel(lanes))
    monkeypatch.setattr(library, "features", lambda: NEEDS[HERE[0]])
    found = library.load()
    assert (found.name, found.lanes, found.functions.version()) == (HERE[0], 3, VERSION)
    assert library.load() is found
    assert [(one.name, one.lanes) for one in library.load_all()] == [
        (name, lanes) for lanes, name in enumerate(HERE, start=3)
    ]
    monkeypatch.setenv(VARIABLE, HERE[-1])
    assert [one.name for one in library.load_all()] == [HERE[-1]]
    monkeypatch.setenv(VARIABLE, "none")
    with pytest.raises(NoKernelError, match="SWEEP_KERNEL=none"):
        library.load()
    assert library.sentence().startswith(
        "The native kernel cannot be used: SWEEP_KERNEL=none switches it off. Unset"
    )
    monkeypatch.delenv(VARIABLE)
    assert library.sentence() == f"The native kernel {HERE[0]} trains 3 models side by side in each core."


def test_the_best_kernel_is_enough(binaries, monkeypatch):
    record(binaries)
    compile_into(binaries / "avx512.so", kernel(16))
    (binaries / "avx2.so").write_text("no binary of this machine")
    monkeypatch.setattr(library, "features", lambda: NEEDS["avx512"])
    monkeypatch.setattr(library.platform, "system", lambda: X86[0])
    monkeypatch.setattr(library.platform, "machine", lambda: X86[1])
    assert [one.name for one in library.load_all()] == ["avx512"]


def test_a_damaged_kernel_does_not_hide_the_next_one(binaries, monkeypatch):
    record(binaries)
    compile_into(binaries / "avx2.so", kernel(8))
    damaged = binaries / "avx512.so"
    damaged.write_bytes((binaries / "avx2.so").read_bytes()[:40])
    monkeypatch.setattr(library, "features", lambda: NEEDS["avx512"])
    monkeypatch.setattr(library.platform, "system", lambda: X86[0])
    monkeypatch.setattr(library.platform, "machine", lambda: X86[1])
    assert [one.name for one in library.load_all()] == ["avx2"]
    [(name, why)] = library.lacking_in_place_of("avx2").items()
    assert name == "avx512" and why.startswith("avx512 cannot be loaded (")
    monkeypatch.setenv(VARIABLE, "avx512")
    with pytest.raises(NoKernelError, match=r"avx512 cannot be loaded"):
        library.load()
    monkeypatch.delenv(VARIABLE)
    library._loaded.cache_clear()
    other = binaries / "other"  # the system would give what it has loaded before
    other.mkdir()
    record(other)
    for name in ("avx512.so", "avx2.so"):
        shutil.copyfile(damaged, other / name)
    monkeypatch.setattr(library, "BINARIES", other)
    with pytest.raises(NoKernelError, match=r"avx512 cannot be loaded .*; avx2 cannot be loaded"):
        library.load()


def test_a_binary_of_another_version_is_refused(binaries):
    record(binaries)
    compile_into(binaries / "avx2.so", kernel(8, version=VERSION + 6))
    with pytest.raises(NoKernelError) as found:
        library.opened("avx2")
    assert found.value.reason == f"avx2 has version {VERSION + 6}, but version {VERSION} is needed"
    assert "make" in found.value.remedy


def test_a_binary_of_another_source_is_refused_before_it_is_loaded(binaries):
    (binaries / "avx2.so").write_text("loading this would fail in another way")
    record(binaries, source="0" * 64)
    with pytest.raises(
        NoKernelError, match=r"avx2 was built from other sources\. Install this software again"
    ):
        library.opened("avx2")
    (binaries / "build.json").unlink()
    with pytest.raises(NoKernelError, match="other sources"):
        library.opened("avx2")


def test_a_binary_that_cannot_be_loaded_is_refused_with_the_system_s_reason(binaries):
    record(binaries)
    (binaries / "avx2.so").write_text("no binary of this machine")
    with pytest.raises(NoKernelError, match=r"avx2 cannot be loaded \(.*avx2\.so"):
        library.opened("avx2")
    compile_into(binaries / "avx512.so", "int lanes(void) { return 16; }")
    with pytest.raises(NoKernelError, match=r"avx512 cannot be loaded \(.*version"):
        library.opened("avx512")


def test_the_error_is_one_for_users_and_passes_between_processes():
    error = NoKernelError("a reason", "Do this.")
    assert isinstance(error, TrainablesError) and isinstance(error, RuntimeError)
    assert str(error) == "The native kernel cannot be used: a reason. Do this."
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.reason, again.remedy) == (str(error), "a reason", "Do this.")
    assert str(NoKernelError("a reason")).endswith("a reason.")


def test_what_is_built_is_what_is_looked_for():
    tree = ast.parse((ROOT / "setup.py").read_text())
    values = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    built = ast.literal_eval(values["KERNELS"])
    assert {machine: tuple(kernels) for machine, kernels in built.items()} == library.KERNELS
    assert ast.literal_eval(values["TARGETS"]).keys() == built.keys()


def test_the_digest_is_that_of_the_build(tmp_path):
    tree = ast.parse((ROOT / "setup.py").read_text())
    (function,) = [node for node in tree.body if getattr(node, "name", "") == "digest"]
    names = {"Path": Path, "hashlib": hashlib}
    exec(compile(ast.Module([function], []), "setup.py", "exec"), names)
    assert names["digest"](SOURCES) == library.digest(SOURCES)
    before = [library.digest(tmp_path)]
    for name in ("kernel.cpp", "lanes.h", "unread.txt"):
        (tmp_path / name).write_text(name)
        before.append(library.digest(tmp_path))
    assert len(set(before)) == 3 and before[-1] == before[-2]


def test_the_processor_s_features_are_those_of_the_system():
    found = library.features()
    if (platform.system(), platform.machine()) == X86:
        assert {"sse2", "fpu"} <= found
    else:
        assert isinstance(found, frozenset)
