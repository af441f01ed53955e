"""Reads the table, checks it, turns it into numbers and splits it."""
