"""Metrics of predictions with their intervals. Numbers only: knows neither audio nor torch."""
