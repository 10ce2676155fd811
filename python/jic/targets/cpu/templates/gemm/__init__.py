"""Matrix products: packed, cut into blocks for caches and registers."""
