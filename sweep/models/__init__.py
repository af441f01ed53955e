"""Models that are made again from a run: to predict, to save, to diagnose."""
