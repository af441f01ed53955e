"""The report: one page about a run, written to a file or served while the sweep runs."""
