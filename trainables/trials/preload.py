"""Ray imports this module in each worker on this machine as soon as it starts; see `cluster.connect.local.started`.

So TensorFlow is imported while the driver still imports Tune and makes the first trials. The import of this module has this
effect and no other, since Ray can only import something.
"""

from __future__ import annotations

import os

WITHOUT = "SWEEP_WITHOUT_PRELOAD"
"""An environment variable of workers that train nothing."""


def prepare() -> None:
    """Import what a trial needs."""
    from trainables.fused.internals import start, xla

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    xla.set_up()
    with start.uncollected():
        import trainables.trials.trial

        start.import_keras()
        import trainables.fused.compose.members
        import trainables.fused.engine
        import trainables.fused.training.cohort
        import trainables.fused.training.proof  # noqa: F401


if not os.environ.get(WITHOUT):
    prepare()
