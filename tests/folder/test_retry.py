"""Requests are repeated while they may succeed, at growing random intervals, and no longer than the limit."""

import pytest

from results.folder import retry


def test_pauses_are_drawn_and_doubled(monkeypatch):
    pauses, bounds = [], []
    monkeypatch.setattr(retry.time, "sleep", pauses.append)
    monkeypatch.setattr(retry.random, "uniform", lambda low, high: bounds.append((low, high)) or high)

    def fail():
        if len(bounds) < 9:
            raise OSError("AWS Error SLOW_DOWN during PutObject")
        return 7

    assert retry.patiently(fail, 60) == 7
    assert bounds == [(0, pytest.approx(min(0.1 * 2**n, 5.0))) for n in range(9)] and len(pauses) == 9


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("AWS Error NETWORK_CONNECTION during PutObject: curlCode: 7"), True),
        (OSError("AWS Error UNKNOWN (HTTP status 503) during GetObject"), True),
        (OSError("AWS Error UNKNOWN (HTTP status 429) during GetObject"), True),
        (ConnectionResetError(104, "reset by peer"), True),
        (TimeoutError(), True),
        (OSError("AWS Error ACCESS_DENIED during PutObject: HTTP status 403"), False),
        (OSError("AWS Error NO_SUCH_BUCKET during PutObject: HTTP status 404"), False),
        (FileNotFoundError(2, "No such file"), False),
    ],
)
def test_what_may_pass_by_itself_is_told_from_what_does_not(error, expected):
    assert retry.is_transient(error) is expected


def test_what_does_not_pass_is_tried_once_and_what_stays_until_the_limit(monkeypatch):
    clock, tries, waited = [0.0], [], []
    monkeypatch.setattr(retry.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(retry.time, "sleep", lambda pause_s: clock.append(clock.pop() + pause_s))
    monkeypatch.setattr(retry.random, "uniform", lambda low, high: high)

    def fail_with(message):
        def fail():
            tries.append(clock[0])
            raise OSError(message)

        return fail

    with pytest.raises(OSError, match="ACCESS_DENIED"):
        retry.patiently(fail_with("AWS Error ACCESS_DENIED"), 60, lambda: waited.append(1))
    assert tries == [0.0] and not waited
    tries.clear()
    with pytest.raises(OSError, match="SLOW_DOWN"):
        retry.patiently(fail_with("AWS Error SLOW_DOWN"), 60, lambda: waited.append(1))
    assert waited == [1] and 50 < tries[-1] <= 60


def test_before_each_try_but_the_first_it_can_be_refused(monkeypatch):
    monkeypatch.setattr(retry.time, "sleep", lambda pause_s: None)
    told = []

    def fail():
        told.append("try")
        raise OSError("AWS Error SLOW_DOWN")

    def refuse():
        told.append("ask")
        if len(told) > 5:
            raise OSError("AWS Error SLOW_DOWN, but not of the operation")

    with pytest.raises(OSError, match="not of the operation"):
        retry.patiently(fail, 60, before_retry=refuse)
    assert told == ["try", "ask", "try", "ask", "try", "ask"]
