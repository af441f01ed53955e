"""What means the same in a program has one token."""

import functools

import keras

from trainables.fused.model.tokens import token


def test_functions_count_by_code_and_by_what_they_close_over():
    def weighted(weight):
        return lambda y, p: keras.ops.mean(weight * (y - p) ** 2)

    assert token(weighted(2.0)) == token(weighted(2.0)) != token(weighted(3.0))
    assert token(lambda y: y + 1) != token(lambda y: y + 2)


def test_partials_methods_and_own_objects_count_by_what_they_hold():
    class Within(keras.metrics.Metric):
        def __init__(self, tolerance):
            super().__init__(name="within")
            self._tolerance = tolerance

    class Half(keras.constraints.Constraint):
        def __init__(self, most):
            self.most = most

        def clip(self, x):
            return x

    def power(y, p, n):
        return (y - p) ** n

    assert token(functools.partial(power, n=2)) == token(functools.partial(power, n=2))
    for one, other in (
        (functools.partial(power, n=2), functools.partial(power, n=4)),
        (Half(1).clip, Half(2).clip),
        (Half(1), Half(2)),
        (Within(0.1), Within(0.2)),
    ):
        assert token(one) != token(other)
    assert token(Within(0.1)) == token(Within(0.1))
