"""Training: recipes, losses, the loop, export. The only part of affekt that needs torch (extra: train)."""
