"""Training the model of emotions in text."""
