"""Where a run lives: its paths, files and lock, here or on an object store."""
