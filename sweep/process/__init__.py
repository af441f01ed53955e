"""The process of the command: its signals, exit codes, supervisor and progress display."""
