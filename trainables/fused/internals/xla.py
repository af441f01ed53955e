"""Sets XLA's compiler flags and cache folder in the environment, before TensorFlow is imported."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path

_CACHE_FLAG = "--tf_xla_persistent_cache_directory"

XLA_FLAGS = (
    # A product with a transposed factor uses a slow generic routine. For small matrices, a transposed copy and a plain
    # product are three times as fast. This pass would merge the two again.
    "--xla_disable_hlo_passes=transpose-folding",
    # A worker has the cores that Ray gave it, and the products are too small to share among threads.
    "--xla_cpu_multi_thread_eigen=false",
)


def cache_folder() -> Path:
    """Return the folder where this user's compiled programs are kept, for this kind of processor and these flags.

    You may delete it at any time.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    processor = [platform.machine()]
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as file:
        processor += sorted({line for line in file if line.startswith(("model name", "flags"))})
    processor.append(os.environ.get("XLA_FLAGS", ""))  # the compiler's own keys do not include these
    kind = hashlib.blake2b("".join(processor).encode(), digest_size=6).hexdigest()
    return base / "keras-grid-sweep" / f"xla-{importlib.metadata.version('tensorflow')}-{kind}"


def set_up() -> None:
    """Add the flags to the environment. Flags that are already set stay as they are."""
    given = os.environ.get("XLA_FLAGS", "").split()
    os.environ["XLA_FLAGS"] = " ".join([*given, *(flag for flag in XLA_FLAGS if flag not in given)])
    cache = cache_folder()
    with contextlib.suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        given = os.environ.get("TF_XLA_FLAGS", "").split()
        if not any(flag.startswith(_CACHE_FLAG) for flag in given) and " " not in str(cache):
            os.environ["TF_XLA_FLAGS"] = " ".join([*given, f"{_CACHE_FLAG}={cache}"])
