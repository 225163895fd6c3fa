"""Many runs of one configuration: a grid of values, each with several seeds. No TensorFlow."""
