"""This process: its signals, its exit codes, its supervisor, and what it shows."""
