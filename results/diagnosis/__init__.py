"""Whether a model over-fits, where it is good, what moves it, and what simpler models do on the same rows."""
