"""The global weights on the parameter servers: pulled, pushed and merged."""
