"""What a run leaves behind and shows: records, history, summary, display. No TensorFlow."""
