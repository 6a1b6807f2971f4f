"""Writers of output: predictions, reports, cards, tables."""
