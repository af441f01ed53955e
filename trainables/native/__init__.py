"""Trains chains of dense layers by a native kernel, in which each lane of a vector register is one model."""
