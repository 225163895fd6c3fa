"""What runs come to, as a page and as figures: reads run directories only. No TensorFlow."""
