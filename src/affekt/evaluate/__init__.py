"""Evaluation: runs models on clean and degraded test sets, and on dev speakers to calibrate them."""
