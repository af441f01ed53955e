"""`sweep doctor` says what this machine trains with, and each thing that is missing with its remedy."""

import json
import subprocess
import sys

import pytest

from sweep.commands import doctor as module
from sweep.process import hardware
from tests.help.commands import answer, sweep
from trainables.native import library
from trainables.native.library import Library, NoKernelError

REMEDY = "Install this software again."


@pytest.fixture(autouse=True)
def quick_and_private(monkeypatch, tmp_path):
    """Measure nothing, and read no token of whoever runs the tests."""
    monkeypatch.setattr(hardware, "gemm_peak", lambda: 120e9)
    monkeypatch.setattr(hardware, "memory_mb", lambda: (65536.0, 32768.0))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", *module.CLUSTER_VARIABLES, library.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def with_kernel(monkeypatch, name="avx512", lanes=16):
    monkeypatch.setattr(library, "load", lambda: Library(name, lanes, None))


def without_kernel(monkeypatch, reason, remedy=""):
    def fail():
        raise NoKernelError(reason, remedy)

    monkeypatch.setattr(library, "load", fail)


def missing(found):
    return {one["what"]: one for one in found["missing"]}


def installed_as(folder, monkeypatch, *lines):
    """Let another description of this software come before the installed one."""
    about = folder / "keras_grid_sweep-0.1.0.dist-info"
    about.mkdir()
    text = ["Metadata-Version: 2.1", "Name: keras-grid-sweep", "Version: 0.1.0", *lines]
    (about / "METADATA").write_text("\n".join(text) + "\n")
    monkeypatch.syspath_prepend(str(folder))


def test_a_kernel_is_named_with_the_reason_for_it(monkeypatch):
    with_kernel(monkeypatch, "avx2", 8)
    said = sweep("doctor").output.splitlines()
    best = "the best that was built and that this processor can run"
    assert said[0] == f"engine     native: kernel avx2, 8 models a vector; {best}"
    found = answer("doctor")
    assert (found["engine"], found["kernel"], found["lanes"], found["why"]) == ("native", "avx2", 8, best)
    monkeypatch.setenv(library.VARIABLE, "avx2")
    assert answer("doctor")["why"] == "SWEEP_KERNEL=avx2"


def test_without_a_kernel_xla_trains_and_the_reason_and_the_remedy_are_told(monkeypatch):
    without_kernel(monkeypatch, "it was not built", REMEDY)
    found = sweep("doctor")
    assert found.exit_code == 0
    assert found.output.startswith("engine     fused: XLA, without a native kernel, since it was not built\n")
    assert f"  native kernel, for training several times as fast\n      {REMEDY}\n" in found.output
    without_kernel(monkeypatch, "there is no kernel for Linux riscv64")
    told = answer("doctor")
    assert (told["engine"], told["kernel"]) == ("fused", None) and "native kernel" not in missing(told)


def test_a_faster_kernel_that_could_not_be_built_or_loaded_is_told(monkeypatch, tmp_path):
    with_kernel(monkeypatch, "avx2", 8)
    (tmp_path / "build.json").write_text(json.dumps({"failed": {"avx512": "error: no such thing"}}))
    monkeypatch.setattr(library, "BINARIES", tmp_path)
    monkeypatch.setattr(library, "features", lambda: library.NEEDS["avx512"])
    assert "native kernel avx512: it was not built: error: no such thing" in missing(answer("doctor"))
    (tmp_path / "avx512.so").touch()
    (tmp_path / "build.json").write_text("{}")
    assert "native kernel avx512: avx512 was built from other sources" in missing(answer("doctor"))
    monkeypatch.setattr(library, "features", lambda: library.NEEDS["avx2"])
    assert not [what for what in missing(answer("doctor")) if "avx512" in what]


def test_the_screen_tells_hardware_and_versions(monkeypatch):
    with_kernel(monkeypatch)
    output = sweep("doctor").output
    assert "memory     64.0 GiB, of which 32.0 are free\nproduct    120 GFLOP/s on one core" in output
    assert f"Python {sys.version.split()[0]}, keras-grid-sweep " in output and ", tensorflow 2." in output
    assert "\nThis machine has all that a sweep needs.\n" in output
    assert len(output.splitlines()) < 30 and max(map(len, output.splitlines())) < 125
    found = answer("doctor")
    assert (found["gemm_gflops"], found["memory_mb"], found["ok"]) == (120, 65536, True) and found[
        "cores"
    ] >= 1


def test_a_package_that_is_missing_or_of_another_version_is_exit_code_1(monkeypatch, tmp_path):
    with_kernel(monkeypatch)
    needs = [
        "numpy<1",
        "nosuchthing>=2",
        "click>=8",
        "other; extra == 'dev'",
        "windows; sys_platform == 'win32'",
    ]
    installed_as(
        tmp_path, monkeypatch, "Requires-Python: >=3.99", *(f"Requires-Dist: {one}" for one in needs)
    )
    found = sweep("doctor", "--json")
    told = json.loads(found.stdout)
    assert found.exit_code == 1 and not told["ok"]
    needed = {what: one for what, one in missing(told).items() if one["needed"]}
    python, numpy, nothing = needed
    assert python.startswith("Python 3.") and python.endswith(": >=3.99 is needed")
    assert numpy.startswith("numpy ") and numpy.endswith(": <1 is needed")
    assert nothing == "nosuchthing: it is not installed"
    assert "requirements.lock" in needed[nothing]["remedy"] and "make PYTHON=" in needed[python]["remedy"]
    said = sweep("doctor")
    assert said.exit_code == 1 and "Missing, and no sweep runs without it:\n  Python 3." in said.output
    assert "This machine has all" not in said.output


def test_what_only_some_commands_need_is_no_error(monkeypatch, tmp_path):
    with_kernel(monkeypatch)
    monkeypatch.setattr(module.packages, "version", lambda name: None)
    monkeypatch.setattr(module.packages, "missing", list)
    monkeypatch.setenv("PATH", str(tmp_path))
    told = missing(answer("doctor"))
    assert set(told) == {"openpyxl", "mlflow", "tensorboard", "chromium"}
    assert told["mlflow"]["remedy"] == 'pip install "keras-grid-sweep[mlflow]"'
    assert not any(one["needed"] for one in told.values())


def test_few_memory_is_told_with_how_many_cores_to_use(monkeypatch):
    with_kernel(monkeypatch)
    monkeypatch.setattr(module, "available_cpus", lambda: 8)
    monkeypatch.setattr(hardware, "memory_mb", lambda: (8192.0, 5000.0))
    (told,) = [one for one in answer("doctor")["missing"] if "memory" in one["what"]]
    assert (
        told["what"] == "free memory of about 1.5 GiB for each worker"
        and told["remedy"] == "sweep run --cpus 3"
    )


def test_a_gpu_that_tensorflow_cannot_use_is_told(monkeypatch, tmp_path):
    with_kernel(monkeypatch)
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-5b0a)'\necho 'GPU 1: NVIDIA H200 (UUID: GPU-5b0b)'\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(module.packages, "lacks_cuda", lambda: True)
    found = answer("doctor")
    assert found["gpus"] == ["NVIDIA H200"] * 2
    assert 'pip install "tensorflow[and-cuda]"' in missing(found)["TensorFlow's packages of CUDA"]["remedy"]
    assert "GPU        NVIDIA H200, NVIDIA H200\n" in sweep("doctor").output
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert answer("doctor")["gpus"] == []


def test_how_a_cluster_is_reached_is_told_without_the_token(monkeypatch, tmp_path):
    with_kernel(monkeypatch)
    assert "cluster    no RAY_ADDRESS: sweeps run on this machine; no token" in sweep("doctor").output
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret-5555")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    said = sweep("doctor").output
    assert "cluster    RAY_ADDRESS=10.0.0.1:6379; token in RAY_AUTH_TOKEN" in said and "5555" not in said
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "nowhere"))
    found = sweep("doctor")
    assert (
        found.exit_code == 1
        and f"RAY_AUTH_TOKEN_PATH names {tmp_path / 'nowhere'}, but there is no" in found.output
    )
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert sweep("doctor").exit_code == 0


@pytest.mark.heavy  # takes long
def test_it_answers_without_loading_what_it_asks_about():
    code = "import sys, sweep.commands.doctor as d; d.examined(); print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"ray", "tensorflow", "keras", "numpy", "pandas", "pydantic"} & set(loaded)
