import inspect

from trainables.settings import FIT_AXES, FIT_PARAMETERS


def test_the_arguments_of_fit_are_keras_own():
    import keras

    parameters = [name for name in inspect.signature(keras.Model.fit).parameters if name != "self"]
    assert list(FIT_PARAMETERS) == parameters
    assert set(FIT_AXES) < set(FIT_PARAMETERS)
