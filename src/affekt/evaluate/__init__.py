"""What predictions are worth: metrics, and how sure they are. Knows neither audio nor torch."""
