"""Finds out which points share a program, and makes the arrays with which each of them starts."""
