"""The compiled epoch of many models that differ only in values."""
