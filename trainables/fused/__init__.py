"""Many points per trial: models that differ only in values, trained as one XLA program."""
