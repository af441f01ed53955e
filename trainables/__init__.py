"""Trains the points of a sweep: reads the table, calls the builder, runs an engine and applies the stopping rules."""
