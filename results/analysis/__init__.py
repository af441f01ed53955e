"""Analyses of a run's rows: the best points, importance of axes, learning curves, and what ASHA saved and cost."""
