"""Trains many models that differ only in values for one epoch, as one compiled program."""
