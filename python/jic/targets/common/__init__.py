"""What every target shares: the parsed kernel body, linear indices, and the emission of what a body computes."""
