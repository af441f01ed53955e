"""How long to wait for a store that does not answer: exponential backoff with full jitter, up to a limit.

Terms
    transient: it may pass if nothing is changed - 5xx, throttling, a timeout, a connection refused or cut.
    permanent: it will not - access denied, no such bucket. Not tried again.
    full jitter: the pause is drawn evenly from zero to the backoff, so that many clients do not come back at once
        (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 60.0
"""How long a store that has answered before is waited for."""
FIRST_PATIENCE_S = 1.0
"""How long one is that never has: more likely, its address is wrong. A person is waiting for the message."""
BACKOFF_S = 0.1
"""The longest first pause; each next one may be twice as long."""
LONGEST_BACKOFF_S = 5.0

_TRANSIENT = re.compile(
    r"NETWORK_CONNECTION|HTTP status (?:408|429|5\d\d)|SLOW_DOWN|THROTTL|INTERNAL_FAILURE|SERVICE_UNAVAILABLE"
    r"|REQUEST_TIMEOUT|REQUEST_EXPIRED|REQUEST_TIME_TOO_SKEWED|CLIENT_SIGNING|curlCode|[Tt]imed? ?out|Unavailable"
)
"""What Arrow's messages have in them: it gives an OSError without a number for anything that AWS's SDK says."""

_Answer = TypeVar("_Answer")


def is_transient(error: OSError) -> bool:
    """Return whether the same request may succeed later."""
    return isinstance(error, ConnectionError | TimeoutError) or bool(_TRANSIENT.search(str(error)))


def patiently(
    operation: Callable[[], _Answer], patience_s: float, on_wait: Callable[[], object] | None = None
) -> _Answer:
    """Return what `operation` returns, tried again after each transient error until the patience is over.

    Args:
        operation: may be carried out twice: an answer can get lost though the deed was done.
        patience_s: seconds from the first try to the last.
        on_wait: called before the first pause.

    Raises:
        OSError: the last error, or the first permanent one.
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
        backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)
