"""Sweeps of functions and data of a Python session: `sweep.search`, and estimators for scikit-learn."""
