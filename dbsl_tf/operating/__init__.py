"""Looks after runs that go on: status, stop, metrics, the live page. No TensorFlow."""
