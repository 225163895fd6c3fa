"""Dual-batch-size training of image classifiers on a TensorFlow parameter-server cluster.

The method is that of Lu et al., "Efficient Dual Batch Size Deep Learning for Distributed
Parameter Server Systems" (COMPSAC 2022) and of its successor (arXiv 2509.26092).
"""

__version__ = "0.1.0"
