"""Reductions and scans: accumulators of vectors, joined at the end of a row."""
