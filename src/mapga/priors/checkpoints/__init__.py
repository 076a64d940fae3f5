"""Published checkpoints: what they are, their files, and their conversion to diffusers' network."""
