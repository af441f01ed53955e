"""What is said of the hardware is what the system says."""

import ast

import psutil
import pytest

from sweep.process import hardware


def test_memory_is_the_machine_s_or_what_its_container_leaves(tmp_path, monkeypatch):
    limits = tmp_path / "memory.max"
    monkeypatch.setattr(hardware, "_LIMITS", (str(tmp_path / "gone"), str(limits)))
    whole = psutil.virtual_memory().total / 2**20
    for text in ("max\n", str(2**63 - 4096)):
        limits.write_text(text)
        assert hardware.memory_mb()[0] == whole
    limits.write_text(str(256 * 2**20))
    assert hardware.memory_mb()[0] == 256 and hardware.memory_mb()[1] <= 256


def test_the_processor_has_a_name():
    assert hardware.processor().strip()


@pytest.mark.heavy  # takes long
def test_the_rate_of_products_is_measured():
    assert 1e9 < hardware.gemm_peak() < 1e12


def test_it_is_measured_on_one_core_and_not_by_products_that_a_variable_chooses(monkeypatch, tmp_path):
    seen = tmp_path / "environment"
    (tmp_path / "numpy.py").write_text(
        f"import os; open({str(seen)!r}, 'w').write(str(dict(os.environ))); raise ImportError"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    assert hardware.gemm_peak() is None
    environment = ast.literal_eval(seen.read_text())
    assert environment["OPENBLAS_NUM_THREADS"] == "1" and "OPENBLAS_CORETYPE" not in environment
