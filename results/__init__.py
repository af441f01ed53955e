"""The rows of a run's folder, and what people do with them; needs neither Ray nor TensorFlow."""
