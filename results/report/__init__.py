"""Makes the report of a run: one page, written to a file or served while the sweep runs."""
