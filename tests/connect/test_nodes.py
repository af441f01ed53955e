"""Nodes: who has what is told in a table, and what is the same is passed over."""

import pickle

import pytest

from cluster.connect import local, nodes
from cluster.errors import ClusterError


def answer(**changes):
    return {"Python": "3.11.7", "ray": "2.60.0", "tensorflow": "2.21.0", "this software": "ab", **changes}


def test_equal_versions_are_no_matter():
    assert nodes.skew({"driver": answer(), "10.0.0.1": answer(), "10.0.0.2": answer()}) == ""


def test_what_differs_is_told_for_everybody():
    message = nodes.skew({
        "driver": answer(),
        "10.0.0.1": answer(tensorflow="2.20.0"),
        "10.0.0.22": answer(tensorflow="not installed", Python="3.12.1"),
    })  # fmt: skip
    lines = message.splitlines()
    assert "different versions" in lines[0] and "requirements.lock" in lines[-1]
    assert [line.split() for line in lines[1:-1]] == [
        ["Python", "tensorflow"],
        ["driver", "3.11.7", "2.21.0"],
        ["10.0.0.1", "3.11.7", "2.20.0"],
        ["10.0.0.22", "3.12.1", "not", "installed"],
    ]
    assert "ray" not in message


def test_a_package_that_only_some_have_is_told():
    assert "-" in nodes.skew({"driver": answer(), "10.0.0.1": {"Python": "3.11.7"}})


def test_this_process_has_all_that_is_compared():
    found = nodes.own_versions()
    assert list(found) == ["Python", *nodes.COMPARED, "this software"]
    assert "not installed" not in found.values()


def test_a_node_is_asked_once_and_a_worker_compares_for_itself():
    with local.started(cpus=1):
        same = nodes.Agreement()
        same.check(wait_s=60)
        pickle.loads(pickle.dumps(same.guard()))()
        assert not same._asked and len(same._seen) == 1
        same.check()  # nobody is new
        assert not same._asked
        other = nodes.Agreement(mine={**nodes.own_versions(), "keras": "1.0"})
        with pytest.raises(ClusterError, match=r"keras\n  driver +1\.0"):
            other.check(wait_s=60)
        with pytest.raises(ClusterError, match=r"keras\n  driver +1\.0"):
            pickle.loads(pickle.dumps(other.guard()))()


@pytest.mark.parametrize(
    ("amounts", "labels", "fits"),
    [
        ({"CPU": 1}, {}, 4 + 3 + 1),
        ({"CPU": 2}, {}, 2 + 1),  # not the half of all cores
        ({"CPU": 1, "GPU": 0.3}, {}, 3),
        ({"CPU": 1, "big_disk": 1}, {}, 0),
        ({"CPU": 1}, {"zone": "north"}, 4),
        ({"CPU": 1}, {"zone": "in(north,south)"}, 8),  # Ray decides
    ],
)
def test_a_trial_has_to_fit_on_one_node(monkeypatch, amounts, labels, fits):
    listed = [
        {"Alive": True, "Resources": {"CPU": 4.0}, "Labels": {"zone": "north"}},
        {"Alive": True, "Resources": {"CPU": 3.0, "GPU": 1.0}, "Labels": {"zone": "south"}},
        {"Alive": True, "Resources": {"CPU": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0}, "Labels": {"zone": "north"}},
    ]
    monkeypatch.setattr("ray.nodes", lambda: listed)
    assert nodes.room(amounts, labels) == fits
