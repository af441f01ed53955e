"""Texts and URIs name the path of a run, and those that cannot are refused without repeating credentials."""

from pathlib import Path

import pytest

from results.folder.object_store import RemotePath
from results.folder.path import any_path, check_no_credentials


def test_paths_are_paths(tmp_path):
    assert any_path(tmp_path) == tmp_path
    assert any_path("runs/a b") == Path("runs/a b")
    assert any_path("file:///tmp/a%20b") == Path("/tmp/a b")


@pytest.mark.parametrize(
    "uri", ["s3://bucket/a/b", "s3://bucket/a%20b/x", "gs://bucket/a", "s3://b/a?region=eu-west-1"]
)
def test_a_uri_is_said_as_it_was_given(uri):
    path = any_path(uri)
    assert isinstance(path, RemotePath) and str(path) == uri
    assert any_path(path) is path


def test_a_path_within_keeps_the_options_behind_it():
    path = any_path("s3://bucket/a b/?endpoint_override=localhost:9000&scheme=http") / "points"
    assert str(path) == "s3://bucket/a%20b/points?endpoint_override=localhost:9000&scheme=http"
    assert (path.name, path.parent.name, path.endpoint) == ("points", "a b", "localhost:9000")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("hdfs://node/a", "cannot live on hdfs://"),
        ("s3://bucket", "names no folder of the bucket"),
        ("s3://bucket/../a", "names no folder of the bucket"),
        ("s3:///a", "names no folder of a bucket"),
        ("s3://bucket/a?regoin=x", "regoin=, but only endpoint_override, region, scheme"),
    ],
)
def test_what_is_no_place_is_refused_with_a_remedy(uri, said):
    with pytest.raises(ValueError, match=said):
        any_path(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://AKIA:hush@bucket/a",
        "s3://AKIA:hu/sh@bucket/a",
        "s3://hush@bucket/a",
        "s3://bucket/a?access_key=hush",
        "s3://bucket/a?secret_key=hush&region=x",
        "s3://bucket/a?session_token=hush",
        "s3://bucket/a?X-Amz-Security-Token=hush&session_token=",
        "s3://bucket/a?AWSAccessKeyId=hush",
    ],
)
def test_credentials_are_refused_and_not_repeated(uri):
    with pytest.raises(ValueError, match="AWS_SECRET_ACCESS_KEY") as error:
        any_path(uri)
    assert "hush" not in str(error.value) and "AKIA" not in str(error.value)


@pytest.mark.parametrize(
    "uri",
    [
        "hdfs://me:hush@node:8020/a",
        "abfs://account:hush@host/a",
        "abfs://files@host/a?sig=hush",
        "https://host/a.csv?X-Amz-Signature=hush",
        "http://host/a?api_key=hush",
    ],
)
def test_no_other_uri_may_have_credentials_either(uri):
    with pytest.raises(ValueError, match="carries credentials") as error:
        check_no_credentials(uri)
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    "uri",
    [
        "hdfs://me@node:8020/a@b:c",
        "abfs://files@account.dfs.core.windows.net/a",
        "https://host:80/a?design=1",
    ],
)
def test_a_user_a_port_and_other_options_are_no_credentials(uri):
    check_no_credentials(uri)
