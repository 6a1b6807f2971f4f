"""Explanations of model predictions."""
