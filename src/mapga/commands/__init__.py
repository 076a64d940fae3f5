"""What a person types after ``mapga``: one command, one file."""
