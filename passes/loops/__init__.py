"""Passes on loops: what a counted loop computes for all its iterations at once leaves it."""
