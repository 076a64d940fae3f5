"""What a person types after ``mapga``, and what is answered: results on stdout, everything else on stderr."""
