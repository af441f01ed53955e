"""What the rules watch, once a model has logged something."""

import pytest

from trainables.objective import ObjectiveError, Watch, Watched, needs_data_loss, watched
from trainables.settings import Callbacks, EarlyStopping, Objective, ReduceLROnPlateau

LOGS = ["auc", "loss", "mine", "val_auc", "val_loss", "val_mine"]
MODES = {"loss": "min", "auc": "max", "mine": None}
BOTH = Callbacks(EarlyStopping(), ReduceLROnPlateau())


def test_the_rules_follow_the_objective():
    assert watched(Objective(), BOTH, LOGS, MODES) == Watched()
    auc = Watch("val_auc", "max")
    assert watched(Objective("auc"), BOTH, LOGS, MODES) == Watched(auc, auc, auc)
    mine = Watch("val_mine", "max")  # the direction that the objective says holds for the rules
    assert watched(Objective("mine", "max"), BOTH, LOGS, MODES) == Watched(mine, mine, mine)


def test_a_rule_may_have_a_log_and_a_mode_of_its_own():
    rules = Callbacks(EarlyStopping(monitor="auc"), ReduceLROnPlateau(monitor="val_mine", mode="min"))
    found = watched(Objective(), rules, LOGS, MODES)
    assert found == Watched(Watch("val_loss", "min"), Watch("auc", "max"), Watch("val_mine", "min"))
    against = watched(Objective("auc", "min"), Callbacks(EarlyStopping(mode="max")), LOGS, MODES)
    assert (against.objective.mode, against.early_stopping.mode) == ("min", "max")


def test_the_data_loss_is_known_where_it_is_logged():
    both = Callbacks(EarlyStopping(), ReduceLROnPlateau(monitor="val_loss"))
    found = watched(Objective("data_loss"), both, [*LOGS, "val_data_loss"], MODES)
    data_loss = Watch("val_data_loss", "min")
    assert found == Watched(data_loss, data_loss, Watch("val_loss", "min"))
    assert needs_data_loss(Objective("data_loss"), Callbacks(None, None))
    assert needs_data_loss(Objective(), Callbacks(None, ReduceLROnPlateau(monitor="val_data_loss")))
    assert not needs_data_loss(Objective(), BOTH)


@pytest.mark.parametrize(
    ("objective", "rules", "said"),
    [
        (Objective("auk"), BOTH, ["objective.metric got 'auk'", "logs auc, loss, mine."]),
        (Objective("mine"), BOTH, ["cannot tell", "`objective: {metric: mine, mode: max}` or `mode: min`"]),
        (
            Objective(),
            Callbacks(EarlyStopping(monitor="val_auk")),
            ["callbacks.early_stopping.monitor got 'val_auk'", "val_auc, val_loss"],
        ),
        (
            Objective(),
            Callbacks(None, ReduceLROnPlateau(monitor="mine")),
            ["callbacks.reduce_lr_on_plateau: Keras cannot tell", "`mode: max` or `mode: min`"],
        ),
    ],
)
def test_what_cannot_be_watched_is_refused_with_a_remedy(objective, rules, said):
    with pytest.raises(ObjectiveError) as error:
        watched(objective, rules, LOGS, MODES)
    for words in said:
        assert words in str(error.value)


@pytest.mark.parametrize("name", ["epoch", "idx", "data_loss"])
def test_a_metric_with_the_name_of_another_column_is_refused(name):
    with pytest.raises(ObjectiveError, match=f"the name '{name}', .* such as name=\"my_{name}\""):
        watched(Objective(), BOTH, [name, *LOGS], MODES)
