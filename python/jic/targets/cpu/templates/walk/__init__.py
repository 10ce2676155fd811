"""Kernels that walk one iteration space and store what they compute: pointwise, indexing, concat, update."""
