"""Ray's token: where it is read from, who may read it, and that the mode of authentication is put back."""

import os
import re
import stat

import pytest

from cluster.connect.token import authentication, environment, keep_private, token
from cluster.errors import ClusterError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of its own, and nothing of Ray in the environment."""
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".ray").mkdir(parents=True)
    return tmp_path / "home"


def test_the_token_file_is_its_owner_s_alone(home):
    file = home / ".ray" / "auth_token"
    keep_private()
    assert re.fullmatch(r"[0-9a-f]{64}", file.read_text()) and stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("kept")
    file.chmod(0o644)  # as Ray writes it
    keep_private()
    assert file.read_text() == "kept" and stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_environment_comes_before_the_file_it_names_and_that_before_the_default_one(home, monkeypatch):
    assert token() is None and not list((home / ".ray").iterdir())
    default, named = home / ".ray" / "auth_token", home / "named"
    default.write_text("of the default file\n")
    default.chmod(0o644)
    assert token() == "of the default file" and stat.S_IMODE(default.stat().st_mode) == 0o600
    named.write_text("of the named file\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(named))
    assert token() == "of the named file"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of the environment")
    assert token() == "of the environment"


def test_a_named_file_that_cannot_be_read_is_told(home, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "none"))
    with pytest.raises(ClusterError, match=r"RAY_AUTH_TOKEN_PATH names .*none, but there is no such file"):
        token()
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home))
    with pytest.raises(ClusterError, match="the token cannot be read"):
        token()


def test_the_environment_is_put_back_also_after_an_error(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(KeyError), authentication("token"), environment(RAY_ADDRESS="1.2.3.4:5"):
        assert (os.environ["RAY_AUTH_MODE"], os.environ["RAY_ADDRESS"]) == ("token", "1.2.3.4:5")
        raise KeyError
    assert os.environ["RAY_AUTH_MODE"] == "disabled" and "RAY_ADDRESS" not in os.environ
