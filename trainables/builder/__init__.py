"""Finds the user's builder by its name, and calls it for a point."""
