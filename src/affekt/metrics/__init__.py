"""Metrics of predictions with confidence intervals. Numbers only: depends on neither audio code nor torch."""
