import pandas as pd
import pytest

from results.folder import RunFolder
from results.leaderboard import leaderboard, read_points

POINTS = pd.DataFrame({"idx": [5, 3, 9, 1], "loss_te": [2.0, 1.0, None, 1.0], "MAE_te": [4.0, 3.0, 2.0, 1.0]})


def test_the_best_come_first_and_ties_by_idx():
    assert list(leaderboard(POINTS)["idx"]) == [1, 3, 5]
    assert list(leaderboard(POINTS, 2, "MAE_te", descending=True)["idx"]) == [5, 3]
    assert list(leaderboard(POINTS, by="MAE_te").index) == [0, 1, 2, 3]


def test_an_unknown_column_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match='Did you mean "loss_te"'):
        leaderboard(POINTS, by="los_te")


def test_a_folder_without_a_sweep_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no sweep here"):
        read_points(RunFolder(tmp_path))
