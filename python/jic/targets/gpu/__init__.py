"""What the GPU targets share: how templates map onto blocks and threads, and the host program around the kernels."""
