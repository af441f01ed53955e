"""What is said when many points leave the fused engine."""

import ast
import io
import re

import pytest

from results.folder.run_folder import RunFolder
from sweep.process import one_by_one
from sweep.process.one_by_one import about, of_tally, remedy, warning
from sweep.process.tally import Tally
from sweep.process.view import View, draw
from tests.help.repository import ROOT

LSTM = "a recurrent layer (LSTM) cannot be vectorized over models"
OWN = "the model has a train_step of its own"


def test_more_than_a_tenth_is_told_with_reasons_cost_and_remedies():
    assert warning({LSTM: 10}, 100, 1.0, 1) == ""
    said = warning({LSTM: 600, OWN: 300, "why": 1, "why not": 1}, 1000, 6.0, 2)
    assert said.startswith("902 of 1,000 points (90%) leave the fused engine")
    assert "about 45 min more" in said
    assert f"Why: {LSTM} (600 points); {OWN} (300 points); 2 more reasons." in said
    assert f"To let them fuse: {remedy(LSTM)}; {remedy(OWN)}." in said and "\n" not in said
    assert "more." not in warning({LSTM: 11}, 100, 0.0, 1)


@pytest.mark.parametrize(
    ("why", "part"),
    [
        (OWN, "add_loss"),
        ("the model is compiled with run_eagerly=True", "run_eagerly"),
        ("tf.config.run_functions_eagerly(True) is set, and a program is a graph", "remove tf.config"),
        ("keras.config.max_epochs() is 2, and only Keras' own fit keeps to that", "fit: {epochs: N}"),
        ("the model is not built before its first batch", "keras.Input"),
        ("its code checks values (Assert), which XLA would skip", "tf.debugging"),
        (
            "the loss has no gradient for the weight dense/kernel, which Keras then leaves as it is",
            "trainable",
        ),
        ("its code gives other numbers each time that the same rows are evaluated", "SeedGenerator"),
        ('the layer "counts" changes its Python attributes when it is called', "add_weight"),
        ("Keras raises an error, too (InvalidArgumentError: indices[0] = 8)", "column error"),
        ("it cannot be compiled (InvalidArgumentError: no text in XLA)", "XLA can compile"),
        ("their worker died 3 times", "sweep.log"),
    ],
)
def test_a_known_reason_has_a_remedy(why, part):
    assert part in remedy(why)


def test_an_unknown_reason_points_to_what_explains_it():
    assert "sweep plan" in remedy("something new") and "trainables/README.md" in remedy("something new")


def test_durations_are_rough():
    assert [about(s) for s in (0.2, 40, 600, 6 * 3600)] == ["1 s", "40 s", "10 min", "6.0 h"]


def tally(left):
    made = Tally(asked=100, workers=2, guess_s=20.0)
    made.one_by_one = {LSTM: {"points": left, "idx": [1]}}
    return made


def test_the_cost_is_guessed_until_a_point_shows_it():
    made = tally(60)
    assert "about 10 min more" in of_tally(made)
    made.by_keras = 4
    made.spend("keras", 8.0)
    assert "about 60 s more" in of_tally(made)


def test_the_view_shows_it_and_plain_logs_say_it_once_and_when_it_has_doubled(tmp_path):
    from rich.console import Console

    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(draw(tally(60)))
    assert "one by one  60 of 100 points (60%) leave the fused engine" in console.export_text()
    made, out = tally(10), io.StringIO()
    with View(made, RunFolder(tmp_path), out) as view:
        for left in (10, 12, 12, 23, 24, 30):
            made.one_by_one[LSTM]["points"] = left
            view.update()
    warnings = [line for line in out.getvalue().splitlines() if "Warning:" in line]
    assert [line.split("Warning: ")[1][:9] for line in warnings] == ["12 of 100", "24 of 100"]


def test_the_clock_of_the_rate_stands_while_points_are_verified(tmp_path):
    made = tally(0)
    with View(made, RunFolder(tmp_path), None) as view:
        view.begin("training")
        view.begin("verifying")
        view.update()
        first = made.training_s
        view.update()
        assert made.training_s == first and made.seconds > first


def test_every_pattern_is_reached():
    """A pattern behind one that is wider would never be used."""
    samples = [pattern.replace(r"\w+", "step").split("|")[0] for pattern, _ in one_by_one.REMEDIES]
    assert [remedy(sample) for sample in samples] == [text for _, text in one_by_one.REMEDIES]


@pytest.mark.heavy  # takes long
def test_every_pattern_is_of_a_reason_that_the_code_gives():
    """A reason that was reworded would lose its remedy."""
    texts = []
    for path in [*(ROOT / "trainables").rglob("*.py"), *(ROOT / "sweep" / "driver").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                texts.append(
                    "".join(
                        getattr(part, "value", "x") if isinstance(part, ast.Constant) else "x"
                        for part in node.values
                    )
                )
    for pattern, _ in one_by_one.REMEDIES:
        for one in pattern.split("|"):
            assert any(re.search(one, text) for text in texts), one
