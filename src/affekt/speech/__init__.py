"""The voice: reading, speech activity, signal quality, features, the network."""
