"""Data sets: what they are, bringing them to disk, and the input pipeline of a worker.

`catalogue` and `prepare` never import TensorFlow; `augmentation` and `pipeline` do.
"""
