"""Builders that look harmless, but of which a program easily gets other numbers than Keras, one file for each kind.

`CASES` has a small space for each. The tests train every point both by the engines and by `oracle.py`, which is plain Keras.
To add a case: write a builder into the file of its kind and a line into `cases.py`.
"""

from tests.help.truth.cases import CASES, Case

__all__ = ["CASES", "Case"]
