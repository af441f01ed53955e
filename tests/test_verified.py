"""Which points are verified, what is kept of it, and what is said about it."""

import json

import pandas as pd
import pytest

from results.folder.files import replace_file
from results.folder.run_folder import RunFolder
from results.verified import Entry, Verification, chosen, mark_of, sentences, verification, write


def rows(count, engine="fused", **columns):
    made = pd.DataFrame({"idx": range(count)})
    made["status"], made["epochs"], made["engine"] = "completed", 5, engine
    made["loss_va"] = [float(count - idx) for idx in range(count)]
    return made.assign(**columns)


def test_the_best_come_first_and_one_in_a_thousand_of_the_others_is_drawn():
    best, others = chosen(rows(3010), 10, seed=1)
    assert best == list(range(3009, 2999, -1))
    assert len(others) == 3 and not set(best) & set(others)
    assert chosen(rows(3010), 10, seed=1) == (best, others) and chosen(rows(3010), 10, seed=2)[1] != others
    assert chosen(rows(1009), 10, 1)[1] == [] and chosen(rows(3010), 0, 1) == ([], [])


def test_only_trainings_of_the_fused_engine_are_chosen():
    table = rows(6)
    table.loc[5, "engine"] = "keras"
    table.loc[4, ["status", "epochs", "loss_va"]] = ["failed", 0, None]
    table.loc[3, "status"] = "timeout"
    table.loc[2, "status"] = "diverged"
    table.loc[1, "status"] = "pruned"
    assert chosen(table, 10, 0) == ([1, 0], [])
    assert chosen(rows(0), 10, 0) == chosen(rows(3).drop(columns="loss_va"), 10, 0) == ([], [])


def test_a_mark_changes_with_the_row_and_not_with_the_others():
    row = {"idx": 3, "best_epoch": 4, "loss_te": 1.5, "hidden": "[8]", "seconds": 1.0, "f1_te": float("nan")}
    same = {"idx": 3, "best_epoch": 4.0, "loss_te": 1.5, "hidden": "[8]", "seconds": 2.0}
    assert mark_of(row) == mark_of(same)
    for change in ({"loss_te": 1.5000001}, {"best_epoch": 5}, {"hidden": "[4]"}, {"f1_te": 0.0}):
        assert mark_of(row) != mark_of(row | change)


@pytest.fixture(params=["here", "on an object store"])
def folder(request, tmp_path):
    if request.param == "here":
        made = RunFolder(tmp_path)
    else:
        request.getfixturevalue("s3")
        made = RunFolder("s3://bucket/a/run")
    made.create()
    return made


def entry(table, idx, **changes):
    [row] = table[table["idx"] == idx].to_dict("records")
    return Entry(**{"row": mark_of(row), "epochs": 5, "of": 5, "whole": True, **changes})


@pytest.mark.heavy  # takes long
def test_what_was_verified_is_kept_until_its_row_changes(folder):
    table = rows(4)
    assert verification(folder, table, 3, 0).waiting == [3, 2, 1]
    entries = {3: entry(table, 3), 2: entry(table, 2, epochs=3, whole=False), 0: entry(table, 0)}
    write(folder, Verification([3, 2, 1], [0], entries, "time was used", 3, 7))
    found = verification(folder, table)
    assert (found.best, found.others, found.waiting) == ([3, 2, 1], [0], [2, 1])
    assert (found.why, found.most, found.seed) == ("time was used", 3, 7) and found.entries == entries
    table.loc[table["idx"] == 3, "loss_va"] += 1e-9
    assert verification(folder, table).waiting == [3, 2, 1]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"points": {"1": 3}}', '{"points": {"x": {}}}'])
def test_a_file_of_a_stranger_is_no_verification(folder, content):
    replace_file(folder.verified, content.encode())
    found = verification(folder, rows(2))
    assert found.entries == {} and sentences(found) == ["No point was verified by plain Keras."]


def test_the_file_is_replaced_as_a_whole_and_is_json(folder):
    table = rows(2)
    differs = (("loss_te", 0, 1.0, 2.0), ("loss", 3, "nan", 2.0))
    for entries in ({}, {1: entry(table, 1, differences=differs)}):
        write(folder, Verification([1, 0], [], entries))
        assert set(json.loads(folder.verified.read_text())["points"]) == set(map(str, entries))
    assert verification(folder, table).entries[1].differences == differs
    assert not list(folder.path.glob(".*tmp"))


GOOD, PART = Entry("", 5, 5, True), Entry("", 2, 5, False)
BAD = Entry("", 5, 5, True, [("loss_te", 0, 1.0, 1.25), ("val_loss", 3, 0.5, 0.75)])


def said(best, others, entries, why="", again=""):
    return sentences(Verification(best, others, entries, why), again)


def test_sentences_say_how_many_are_what_keras_trains():
    ten = list(range(10))
    assert said(ten, [], dict.fromkeys(ten, GOOD)) == ["10 of the 10 best points are what Keras trains."]
    everything = dict.fromkeys([*ten, 20, 21, 22], GOOD)
    assert said(ten, [20, 21, 22], everything) == [
        "10 of the 10 best points are what Keras trains, and 3 of 3 others."
    ]
    assert said(ten, [20, 21], everything | {21: PART})[0].endswith("and 1 of 2 others.")
    assert said([], [], {}) == []


def test_sentences_say_what_was_not_checked_and_how_to_do_it():
    ten, why, again = list(range(10)), "5% of the sweep's time was used", "sweep verify out"
    assert said(ten, [20], {0: GOOD, 1: GOOD, 2: PART}, why, again) == [
        "2 of the 10 best points are what Keras trains (5% of the sweep's time was used; `sweep verify out` "
        "checks the rest).",
        "The first 2 of 5 epochs of point 2 are what Keras trains.",
    ]
    assert said(ten, [], {0: GOOD}, why)[0].startswith("1 of the 10 best points is what Keras trains (5%")
    assert said(ten, [], {0: PART}, why)[0].startswith(
        "None of the 10 best points was checked to its end (5%"
    )
    assert said(ten, [], {}, "", again) == [
        "No point was verified by plain Keras (`sweep verify out` checks the rest)."
    ]
    lost = Entry("", 0, 5, False, (), "its worker died 3 times")
    assert (
        said([0, 1], [], {0: GOOD, 1: lost})[1] == "Point 1 could not be verified: its worker died 3 times."
    )


def test_sentences_tell_points_that_were_named_from_the_best():
    ten, again = list(range(10)), "sweep verify out"
    rest = "None of the 10 best points was checked to its end (`sweep verify out` checks the rest)."
    assert said(ten, [17], {17: GOOD}, "", again) == ["1 of 1 other points is what Keras trains.", rest]
    assert said(ten, [17, 20], {17: GOOD, 20: GOOD}, "", again)[0] == (
        "2 of 2 other points are what Keras trains."
    )
    assert said([], [5], {5: GOOD}) == ["1 of 1 other points is what Keras trains."]
    assert said(ten, [], {7: GOOD})[0] == "1 of the 10 best points is what Keras trains."
    assert said(ten, [], {0: GOOD, 7: GOOD})[0] == "2 of the 10 best points are what Keras trains."
    assert said(ten, [17], {0: GOOD, 17: GOOD}) == [
        "1 of the 10 best points is what Keras trains, and 1 of 1 others."
    ]


def test_sentences_name_points_and_columns_that_differ_with_both_values():
    found = said([0, 1], [5], {0: GOOD, 1: BAD, 5: GOOD}, again="sweep verify out")
    assert found[0].startswith("1 of 3 checked points are not what Keras trains.")
    assert found[1] == (
        "Point 1: loss_te is 1 in the run, 1.25 by Keras; val_loss in epoch 3 is 0.5 in the run, 0.75 by Keras."
    )
