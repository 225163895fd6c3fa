"""Evaluates a trained network class by class, in one process."""
