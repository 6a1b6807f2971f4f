"""Plots: ``f(data, *, ax=None)`` draws and returns; it never computes, shows or saves."""
