"""Repeats requests to a store that does not answer: exponential backoff with full jitter, up to a time limit.

Terminology
    transient     an error that may pass by itself: 5xx, throttling, a timeout, a connection refused or cut
    permanent     an error that will not, such as access denied or no such bucket; the request is not repeated
    full jitter   the pause is drawn uniformly from zero to the backoff, so that many clients do not return at once
                  (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015)
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 60.0
"""The time limit for a store that has answered before."""
FIRST_PATIENCE_S = 1.0
"""The time limit for a store that has never answered: its address is probably wrong, and a user waits for the message."""
BACKOFF_S = 0.1
"""The upper limit of the first pause; it doubles with each further pause."""
LONGEST_BACKOFF_S = 5.0

_TRANSIENT = re.compile(
    r"NETWORK_CONNECTION|HTTP status (?:408|429|5\d\d)|SLOW_DOWN|THROTTL|INTERNAL_FAILURE|SERVICE_UNAVAILABLE"
    r"|REQUEST_TIMEOUT|REQUEST_EXPIRED|REQUEST_TIME_TOO_SKEWED|CLIENT_SIGNING|curlCode|[Tt]imed? ?out|Unavailable"
)
"""Texts of transient errors in Arrow's messages: Arrow raises an OSError without errno for every error of AWS's SDK."""

_Answer = TypeVar("_Answer")


def is_transient(error: OSError) -> bool:
    """Return whether the same request may succeed later."""
    return isinstance(error, ConnectionError | TimeoutError) or bool(_TRANSIENT.search(str(error)))


def patiently(
    operation: Callable[[], _Answer],
    patience_s: float,
    on_wait: Callable[[], object] | None = None,
    before_retry: Callable[[], object] | None = None,
) -> _Answer:
    """Return what `operation` returns; repeat it after each transient error until the time limit.

    Args:
        operation: must allow being carried out twice, because the answer to a successful request can get lost.
        patience_s: the time limit: seconds from the first try to the last.
        on_wait: called before the first pause.
        before_retry: called after each pause; an error of it ends the tries.

    Raises:
        OSError: the last error, the first permanent one, or that of `before_retry`.
    """
    began = time.monotonic()
    backoff_s = BACKOFF_S
    while True:
        try:
            return operation()
        except OSError as error:
            pause_s = random.uniform(0, backoff_s)
            if not is_transient(error) or time.monotonic() - began + pause_s > patience_s:
                raise
            if on_wait is not None:
                on_wait()
                on_wait = None
        time.sleep(pause_s)
        if before_retry is not None:
            before_retry()
        backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)
