"""Diagnoses one model: whether it over-fits, where it is accurate, what it is sensitive to, and how it compares."""
