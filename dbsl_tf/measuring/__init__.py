"""Measuring the time and the memory of training steps on a real cluster."""
