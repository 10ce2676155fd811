"""Targets: from `jic` kernels to an artifact. `common` holds what a kernel computes, the others how it runs."""
