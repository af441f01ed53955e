"""Trains one point by Keras' own `fit`: the reference for every other engine."""
