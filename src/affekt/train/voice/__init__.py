"""Training the voice model and the speech activity model."""
