"""Reads how much GPU memory TensorFlow may use in this process.

Based on the source of TensorFlow 2.21.0. Its public interface gives the used memory of a GPU, but not the limit.
"""

from __future__ import annotations

from trainables.fused.internals.private import Private, check, part

_DEVICES = "tensorflow.python.client.device_lib"

NAMES = (
    Private(_DEVICES, "list_local_devices", "`tf.config.list_logical_devices`, with `memory_limit` of each"),
)

check(NAMES)


def gpu_memory_mb() -> float | None:
    """Return the MiB that TensorFlow may use on the first GPU; None if there is no GPU."""
    for device in part(_DEVICES).list_local_devices():
        if device.device_type == "GPU":
            return float(device.memory_limit) / 2**20
    return None
