"""Gaussian mixtures with full covariances: what ``prior=patches`` is made of."""
