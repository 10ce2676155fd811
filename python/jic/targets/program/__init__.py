"""The host program, once for all targets: launches in order, buffers in planned memory, control flow, the manifest."""
