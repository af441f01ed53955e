"""The table: read, checked, turned into numbers and split."""
