"""How XLA is to compile: what has to be in the environment before TensorFlow is imported."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path

_CACHE_FLAG = "--tf_xla_persistent_cache_directory"

XLA_FLAGS = (
    # A product with a transposed factor goes to a slow generic routine; a transposed copy and a plain product
    # are three times as fast for matrices this small. The pass would merge the two again.
    "--xla_disable_hlo_passes=transpose-folding",
    # A worker has the cores that Ray gave it; the products are too small to be shared out.
    "--xla_cpu_multi_thread_eigen=false",
)


def cache_folder() -> Path:
    """Return the folder where this user's compiled programs are kept, for this kind of processor and these flags.

    It is safe to delete at any time.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    processor = [platform.machine()]
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as file:
        processor += sorted({line for line in file if line.startswith(("model name", "flags"))})
    processor.append(os.environ.get("XLA_FLAGS", ""))  # which are no part of the compiler's own keys
    kind = hashlib.blake2b("".join(processor).encode(), digest_size=6).hexdigest()
    return base / "keras-grid-sweep" / f"xla-{importlib.metadata.version('tensorflow')}-{kind}"


def set_up() -> None:
    """Put the flags into the environment. Flags that are there already stay."""
    given = os.environ.get("XLA_FLAGS", "").split()
    os.environ["XLA_FLAGS"] = " ".join([*given, *(flag for flag in XLA_FLAGS if flag not in given)])
    cache = cache_folder()
    with contextlib.suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        given = os.environ.get("TF_XLA_FLAGS", "").split()
        if not any(flag.startswith(_CACHE_FLAG) for flag in given) and " " not in str(cache):
            os.environ["TF_XLA_FLAGS"] = " ".join([*given, f"{_CACHE_FLAG}={cache}"])
