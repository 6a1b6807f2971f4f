"""The well-known recipes: as they were published, and as they should be."""
