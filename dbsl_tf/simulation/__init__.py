"""What a cluster would do: the coordinator's rules on simulated workers and servers.

No TensorFlow.
"""
