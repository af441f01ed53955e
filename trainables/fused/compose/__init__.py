"""Which points share a program, and what each of them starts from."""
