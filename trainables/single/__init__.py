"""One point in training by Keras' own `fit`: the reference for every other engine."""
