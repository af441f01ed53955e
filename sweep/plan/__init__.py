"""The plan: which points to train, by which builder, on which data, for how long and in which order."""
