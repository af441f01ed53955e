"""The served page: on this machine only, and new when the run is."""

import http.client
from urllib.parse import urlsplit

import pytest

from results.report.serve import served
from tests.help.http import get


def test_a_page_is_made_once_for_each_version():
    now, made = ["1"], []

    def make(version):
        made.append(version)
        return f"<p>version {version}"

    with served(make, lambda: now[0]) as address:
        assert urlsplit(address).hostname == "127.0.0.1"
        with pytest.raises(ConnectionRefusedError):  # on no other address of this machine
            http.client.HTTPConnection("127.0.0.2", urlsplit(address).port, timeout=60).connect()
        assert get(address)[:2] == get(address)[:2] == (200, "<p>version 1")
        assert get(address, "/version")[1] == "1"
        now[0] = "2"
        assert get(address)[1] == "<p>version 2" and get(address, "/version")[1] == "2"
        assert made == ["1", "2"]
        assert get(address, "/plan.yaml")[0] == 404
    with pytest.raises(ConnectionRefusedError):
        get(address)


def test_other_names_for_this_machine_are_refused():
    with served(lambda _: "secret", lambda: "") as address:
        assert get(address, host="evil.example:80")[0] == 403
        assert get(address, "/version", host="evil.example")[0] == 403
        assert get(address, host=f"localhost:{urlsplit(address).port}")[:2] == (200, "secret")


def test_a_run_without_points_is_asked_again():
    def make(version):
        raise ValueError("there is no sweep here")

    with served(make, lambda: "") as address:
        code, body, headers = get(address)
        assert code == 503 and body == "there is no sweep here" and headers["Refresh"] == "3"


def test_a_taken_port_is_said():
    with served(str, str) as address, pytest.raises(OSError), served(str, str, urlsplit(address).port):
        pass
