"""Loops as one kernel: a thread takes some rows and runs all steps on them."""
