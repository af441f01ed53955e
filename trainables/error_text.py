"""Short texts for the errors that a user's builder or `fit` raises, for the rows and messages that show them."""

from __future__ import annotations

import re

_STYLE = re.compile(r"\x1b\[[\d;]*m")  # bold, in Keras' messages
_ARGUMENTS = "\nArguments received by "
_AROUND = re.compile(
    r'File "|Detected at node |Stack trace for op definition|<stack traces unavailable>|\[\[|tf2xla conversion failed'
)
"""Beginnings of the lines that TensorFlow 2.21 puts before and after the cause of an error."""
_WITHIN = re.compile(r"\{\{function_node \S+\}\} | \[Op:\S+\]$")
"""Parts that eager TensorFlow adds to the line of the cause."""


def explain(error: BaseException) -> str:
    """Return the error's type and message, shortened in the middle to at most 2,000 characters."""
    text = f"{type(error).__name__}: {error}".strip().encode("utf-8", "replace").decode()
    return _cut(_STYLE.sub("", text), 2000)


def cause_of(error: BaseException | str) -> str:
    """Return the error's type and the one line of its message that tells the cause, at most 200 characters.

    Keras puts its own words before the cause and the call's arguments after it. TensorFlow puts a stack before the
    cause and the names of nodes after it. So the cause is the last line that is none of these.

    Args:
        error: an exception, or the text that `explain` returned for one.
    """
    text = error if isinstance(error, str) else explain(error)
    lines = [line.strip() for line in text.partition(_ARGUMENTS)[0].splitlines()]
    lines = [line for line in lines if line] or [text]
    kind = re.match(r"\w+:", lines[0])
    line = next((one for one in reversed(lines[1:]) if not _AROUND.match(one)), lines[0])
    if kind and line is not lines[0]:
        line = f"{kind[0]} {line}"
    return _cut(_WITHIN.sub("", line), 200)


def _cut(text: str, most: int) -> str:
    """Return `text`, with its middle left out if it has more than `most` characters."""
    if len(text) <= most:
        return text
    head = (most - 3) // 2
    return f"{text[:head]}...{text[len(text) - (most - 3 - head) :]}"
