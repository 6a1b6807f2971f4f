"""Training the face model."""
