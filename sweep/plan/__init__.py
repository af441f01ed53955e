"""The plan: what to sweep, on what, for how long; and in which order."""
