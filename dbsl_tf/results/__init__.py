"""A run's output: records, history, summary, display. No TensorFlow."""
