"""Priors over x whose density is exact."""
