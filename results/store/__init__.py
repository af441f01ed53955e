"""How rows are stored: once per point, in Parquet, in a folder of this machine or on an object store."""
