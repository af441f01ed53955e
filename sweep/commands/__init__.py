"""The command line: each command has one file, and `main` has the table of all commands."""
