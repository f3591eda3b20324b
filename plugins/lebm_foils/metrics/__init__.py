"""Metrics of models with and without a density."""
