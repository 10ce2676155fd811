"""One template a kernel kind: `lower(region, name, module, machine) -> Lowered`."""
