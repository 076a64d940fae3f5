"""What metrics look at pictures with: networks, how they are run, and the digit classifier that is shipped."""
