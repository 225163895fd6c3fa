"""The results of runs, as a page and as figures: reads run directories only. No TensorFlow."""
