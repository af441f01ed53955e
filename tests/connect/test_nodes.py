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
