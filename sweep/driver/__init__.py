"""A sweep while it runs: open points go to Ray Tune, and rows come back."""
