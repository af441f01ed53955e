"""The user's builder: found by its name, and called for a point."""
