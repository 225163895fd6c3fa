"""Exports a run's model: as a Keras 3 file or as a SavedModel."""
