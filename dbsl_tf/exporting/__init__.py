"""What a run can be taken away as: a Keras 3 file, a SavedModel, the history as arrays."""
