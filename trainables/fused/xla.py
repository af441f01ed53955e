"""How XLA is to compile: what has to be in the environment before TensorFlow is imported."""

from __future__ import annotations

import os

XLA_FLAGS = (
    # A product with a transposed factor goes to a slow generic routine; a transposed copy and a plain product
    # are three times as fast for matrices this small. The pass would merge the two again.
    "--xla_disable_hlo_passes=transpose-folding",
    # A worker has the cores that Ray gave it; the products are too small to be shared out.
    "--xla_cpu_multi_thread_eigen=false",
)


def set_up() -> None:
    """Put the flags into the environment. Flags that are there already stay."""
    given = os.environ.get("XLA_FLAGS", "").split()
    os.environ["XLA_FLAGS"] = " ".join([*given, *(flag for flag in XLA_FLAGS if flag not in given)])
