"""The only place that touches private parts of Keras and TensorFlow."""
