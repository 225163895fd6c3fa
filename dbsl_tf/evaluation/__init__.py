"""How good a trained network is: class by class, in one process."""
