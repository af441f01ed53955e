"""The provenance of results: the versions of the packages that compute them, and the machine."""

from __future__ import annotations

import os
import platform

from cluster.connect.local import available_cpus
from cluster.connect.nodes import installed

PACKAGES = ("keras-grid-sweep", "ray", "tensorflow", "keras", "numpy", "pandas", "pyarrow")


def versions() -> dict[str, str]:
    """Return the versions of Python and of `PACKAGES`, without importing these."""
    return installed(PACKAGES)


def machine() -> str:
    """Return a description of this machine: system, processor, cores that this process may use, memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{platform.system()} {platform.release()}, {platform.machine()}, {available_cpus()} cores, {memory:.0f} GiB"
