"""Networks of priors that are trained here: their U-Net, the scalings around it, and the pairs that are shipped."""
