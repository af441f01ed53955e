"""Deaths: a point answers for its own worker, not for its node or the network, and nothing goes on without end."""

from types import SimpleNamespace

import pytest

from sweep.driver import deaths
from sweep.driver.deaths import Deaths, Fault, cause_of, fault_of

NODE = """Failure # 1 (occurred at 2026-11-25)
The actor died unexpectedly before finishing this task.
\tclass_name: ResourceTrainable
The actor died because its node has died. Node Id: 5cc7
"""
UNAVAILABLE = """Failure # 1 (occurred at 2026-11-25)
The actor ab12 is unavailable: The actor is temporarily unavailable: RpcError: RPC Error message: connection lost
"""
WORKER = """Failure # 1 (occurred at 2026-11-25)
The actor died unexpectedly before finishing this task.
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker
unexpectedly exits with a connection error code 2. End of file.
"""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (NODE, Fault.CLUSTER),
        (UNAVAILABLE, Fault.CLUSTER),
        (WORKER, Fault.WORKER),
        ("", Fault.WORKER),
        (NODE + WORKER.replace("# 1", "# 2"), Fault.WORKER),  # the last one counts
        (WORKER + NODE.replace("# 1", "# 2"), Fault.CLUSTER),
    ],
)
def test_the_error_says_whose_fault_it_was(tmp_path, text, fault):
    file = tmp_path / "error.txt"
    file.write_text(text)
    assert fault_of(SimpleNamespace(error_file=str(file))) is fault


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "Failure # 1 (occurred at 2026-11-25)\nTraceback\n  File x\nValueError: no such thing\n\n",
            "ValueError: no such thing",
        ),
        (NODE + "Failure # 2 (occurred at 2026-11-25)\nOSError: full\n", "OSError: full"),
        ("", ""),
    ],
)
def test_the_cause_is_the_last_line_of_the_last_failure(tmp_path, text, cause):
    file = tmp_path / "error.txt"
    file.write_text(text)
    assert cause_of(SimpleNamespace(error_file=str(file))) == cause


def test_without_an_error_it_was_the_worker():
    assert fault_of(SimpleNamespace(error_file=None)) is Fault.WORKER
    assert fault_of(SimpleNamespace(error_file="/nowhere/error.txt")) is Fault.WORKER


def test_a_point_may_end_its_worker_so_often_and_no_more():
    counted = Deaths(retries=2)
    assert [counted.may_try_again(7, Fault.WORKER) for _ in range(4)] == [True, True, False, False]
    assert counted.of(7) == 4 and counted.of(8) == 0
    assert counted.may_try_again((7, 3), Fault.WORKER)  # another key


def test_lost_nodes_do_not_count_as_deaths_but_end_somewhere(monkeypatch):
    monkeypatch.setattr(deaths, "LOSSES", 5)
    counted = Deaths(retries=1)
    assert all(counted.may_try_again(7, Fault.CLUSTER) for _ in range(5))
    assert counted.of(7) == 0
    assert [counted.may_try_again(7, Fault.CLUSTER) for _ in range(2)] == [
        True,
        False,
    ]  # its retry, then no more


def test_false_starts_are_counted_apart():
    counted = Deaths(retries=0)
    assert [counted.false_start(1) for _ in range(deaths.FALSE_STARTS + 1)] == [
        True
    ] * deaths.FALSE_STARTS + [False]
    assert counted.of(1) == 0
