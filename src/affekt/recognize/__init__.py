"""From signals to Predictions: the stream, the recogniser, batches of files."""
