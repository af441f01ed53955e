"""Rebuilds the models of a run's points, to predict with them, save them and diagnose them."""
