"""Evaluation: runs models on test sets, clean and degraded, and on dev speakers to calibrate them."""
