"""What several test modules share: operators with their matrices, small priors, noise that is known."""
