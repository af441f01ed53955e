"""Trains the points of one program epoch by epoch; each point stops by itself."""
