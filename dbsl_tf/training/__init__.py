"""Training on one worker: the optimiser and the local loop."""
