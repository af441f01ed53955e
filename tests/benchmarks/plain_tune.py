"""A plain Ray Tune script for comparison: a function trainable that trains one point by Keras' `fit`.

python tests/benchmarks/plain_tune.py IDX,IDX,... EPOCHS OUT.csv
"""

import sys

from ray import tune
from sklearn.model_selection import ParameterGrid

from sweep import Plan
from trainables.table.data import ABALONE, load


def train(config: dict) -> None:
    import keras

    from trainables.abalone import build_and_compile_model

    table = load(ABALONE)
    point = dict(config["point"])
    batch_size = point.pop("batch_size")
    normalizer = keras.layers.Normalization()
    normalizer.adapt(table.x_train)
    keras.utils.set_random_seed(0)
    model = build_and_compile_model(**point, input_shape=(10,), normalizer=normalizer)
    model.fit(
        table.x_train,
        table.y_train,
        validation_split=0.2,
        batch_size=batch_size,
        epochs=config["epochs"],
        verbose=0,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau(factor=0.1, patience=10, min_lr=1e-5),
            keras.callbacks.EarlyStopping(patience=20, restore_best_weights=True),
        ],
    )
    loss_tr, mae_tr = model.evaluate(table.x_train, table.y_train, verbose=0)
    loss_te, mae_te = model.evaluate(table.x_test, table.y_test, verbose=0)
    tune.report({"loss_tr": loss_tr, "MAE_tr": mae_tr, "loss_te": loss_te, "MAE_te": mae_te})


def main() -> None:
    idx, epochs, out = [int(part) for part in sys.argv[1].split(",")], int(sys.argv[2]), sys.argv[3]
    grid = ParameterGrid(Plan.load().space.to_dict())
    space = {"point": tune.grid_search([grid[i] for i in idx]), "epochs": epochs}
    results = tune.Tuner(tune.with_resources(train, {"cpu": 1}), param_space=space).fit()
    results.get_dataframe().to_csv(out)


if __name__ == "__main__":
    main()
