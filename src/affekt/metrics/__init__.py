"""Numbers about answers: what a model is worth, how sure that is."""
