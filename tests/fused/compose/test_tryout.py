"""What training changes in a model."""

import keras
import numpy as np

from trainables.fused.compose.tryout import changed_by_training


def test_moving_means_are_assigned_to_and_rows_of_a_table_have_sparse_gradients():
    inputs = keras.Input((2,), dtype="int32")
    table = keras.layers.Embedding(4, 3)
    x = keras.layers.BatchNormalization()(keras.layers.Flatten()(table(inputs)))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    assigned, sparse = changed_by_training(model, np.array([[0, 1], [2, 3]], "int32"))
    names = [model.non_trainable_variables[position].path.split("/")[-1] for position in assigned]
    assert sorted(names) == ["moving_mean", "moving_variance"]
    assert [model.trainable_variables[position] is table.embeddings for position in sparse] == [True]
