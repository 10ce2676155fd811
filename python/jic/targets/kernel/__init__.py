"""What a kernel computes, said once for all targets: its body, indices, loads and stores, and what each kind is made of."""
