"""Connects a sweep to Ray, on this machine or on a cluster, and submits sweeps to clusters; needs no TensorFlow."""
