"""Turns a loss or metric of the user's own, which Keras computes row by row, into instructions of the kernel."""
