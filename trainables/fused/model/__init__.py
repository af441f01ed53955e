"""What a built model is: the part that makes the program, and the values inside one program."""
