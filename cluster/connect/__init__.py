"""Connects a sweep to the Ray that it runs on: one of its own, or a cluster, to which its code is sent."""
