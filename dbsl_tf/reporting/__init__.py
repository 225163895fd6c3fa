"""Shows the results of runs as a page and as figures, from run directories. No TensorFlow."""
