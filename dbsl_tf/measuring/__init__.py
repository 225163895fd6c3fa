"""Measures the time and memory of training steps on a real cluster."""
