"""From samples to honest splits."""
