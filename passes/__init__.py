"""Passes over `jic` IR. `jic.passes.registry` finds them, `jic.passes.pipeline` runs them from text."""
