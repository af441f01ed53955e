"""Describes a built model: which program it needs, and its values inside that program."""
