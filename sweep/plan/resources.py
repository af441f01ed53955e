"""The resources that one trial occupies."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Resources:
    """What one trial occupies.

    Args:
        cpu: processor cores; also the size of TensorFlow's thread pools.
        gpu: GPUs, or a fraction of one.
        memory_mb: MiB for the arrays of the points that one trial of the fused engine trains side by side. On a GPU the
            GPU's memory is the limit instead.
        custom: amounts of the cluster's custom resources, by name, such as `{"big_disk": 1}`.
        labels: the value that each label of a node must have, by the label's name, as in Ray's label selectors, such as
            `{"ray.io/accelerator-type": "H200"}`.
    """

    cpu: int = 1
    gpu: float = 0
    memory_mb: float = 256
    custom: dict[str, float] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, amount in self.custom.items():
            if name in ("CPU", "GPU", "memory", "object_store_memory", "bundle") or not name.strip():
                raise ValueError(
                    f'resources.custom got the name "{name}", which is reserved by Ray. Set cores and GPUs by '
                    "resources.cpu and resources.gpu; here, name a resource that `ray start --resources` gave."
                )
            if not (amount > 0 and (amount < 1 or float(amount).is_integer())):
                raise ValueError(
                    f"resources.custom.{name} got {amount}, but needs a fraction below 1, or a whole number above 0."
                )
        if self.cpu < 1:
            raise ValueError(f"resources.cpu got {self.cpu}, but needs at least 1 core.")
        if not 1 <= self.memory_mb <= 1e7:
            raise ValueError(f"resources.memory_mb got {self.memory_mb}, but needs MiB from 1 to 1e7.")
        if not (self.gpu >= 0 and (self.gpu < 1 or float(self.gpu).is_integer())):
            raise ValueError(
                f"resources.gpu got {self.gpu}, but needs 0, a fraction below 1, or a whole number."
            )

    @property
    def amounts(self) -> dict[str, float]:
        """What one trial asks Ray for: the amount of each resource by Ray's name, without those of which it needs none."""
        asked = {"CPU": self.cpu, "GPU": self.gpu, **self.custom}
        return {name: amount for name, amount in asked.items() if amount}
