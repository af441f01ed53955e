"""Trains many points per trial: models that differ only in values are trained as one program, native or of XLA."""
