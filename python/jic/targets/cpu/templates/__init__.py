"""One template a kind of kernel: `lower(body, name, kernels, machine) -> Lowered`, with a
`Region`, or an op where the kind nests."""
