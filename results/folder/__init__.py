"""A run's folder: its paths, files and lock, on this machine or on an object store."""
