"""One run of training, from its directory to its results."""
