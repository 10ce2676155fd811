"""Passes that make a graph smaller or cheaper and keep what it computes."""
