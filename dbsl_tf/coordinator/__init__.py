"""The engine: closures on workers, the weights on parameter servers, and what merges them."""
