"""Everything that is written: predictions, reports, cards, tables."""
