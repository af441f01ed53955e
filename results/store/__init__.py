"""Writes and reads a run's rows: once per point, in Parquet, on this machine or on an object store."""
