"""Where a sweep runs; needs no TensorFlow."""
