"""Access: a cluster that others reach must ask for a token, and the token stays this user's own."""

import contextlib
import json
import os
import re
import socket
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import psutil
import pytest

from cluster.connect import reach
from cluster.errors import ClusterError
from tests.help import clusters
from tests.help.clusters import free_port

TOKEN = "7" * 64


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of its own, and nothing of Ray in the environment."""
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAY_AUTH_MODE", "to be put back")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def open_cluster():
    """One that asks for no token and, as is Ray's default, listens to all who reach this machine."""
    with clusters.running(dashboard=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def loopback_cluster():
    with clusters.running(dashboard=True, RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def closed_cluster():
    with clusters.running(dashboard=True, dashboard_host="0.0.0.0", token=TOKEN) as cluster:
        yield cluster


def outside_address():
    """The address of this machine that others would use."""
    found = [a.address for entries in psutil.net_if_addrs().values() for a in entries if a.family == 2]
    outside = [address for address in found if not address.startswith("127.")]
    return outside[0] if outside else pytest.skip("this machine has no address but the loopback one")


@pytest.mark.heavy
def test_an_open_cluster_on_loopback_is_taken(loopback_cluster):
    reach.check_head(loopback_cluster.address, insecure=False)
    url = loopback_cluster.url
    clusters.wait_until(lambda: not reach._nodes_listen_to_others(url))  # once its node has joined
    assert reach.check_dashboard(f"{url}/some/page", insecure=False) == url


@pytest.mark.heavy
def test_an_open_cluster_that_others_reach_is_refused_unless_it_is_meant(open_cluster):
    outside = f"{outside_address()}:{open_cluster.port}"
    with pytest.raises(
        ClusterError, match=rf"{outside} is refused: Ray runs any code that reaches it.*--insecure"
    ):
        reach.check_head(outside, insecure=False)
    reach.check_head(outside, insecure=True)


@pytest.mark.heavy
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_open_cluster_is_not_taken_for_closed_by_the_address_it_is_called_by(open_cluster, host):
    head = f"{host}:{open_cluster.port}"
    with pytest.raises(ClusterError, match=rf"{head} is refused: .* other machines can reach it"):
        reach.check_head(head, insecure=False)
    reach.check_head(head, insecure=True)
    dashboard = f"http://{host}:{open_cluster.dashboard_port}"
    with pytest.raises(ClusterError, match=rf"{dashboard} is refused: .* other machines can reach it"):
        reach.check_dashboard(dashboard, insecure=False)
    assert reach.check_dashboard(dashboard, insecure=True) == dashboard


@pytest.mark.heavy
def test_a_cluster_that_asks_for_a_token_gets_that_of_this_user(closed_cluster, home, monkeypatch):
    address, url = closed_cluster.address, closed_cluster.url
    for check in (lambda: reach.check_head(address, False), lambda: reach.check_dashboard(url, False)):
        with pytest.raises(ClusterError, match=r"asks for a token, and this user has none.*auth_token"):
            check()
        monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
        with pytest.raises(ClusterError, match="does not take the token") as told:
            check()
        assert "wrong" not in str(told.value).replace("does not take", "")
        monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
        check()
        monkeypatch.delenv("RAY_AUTH_TOKEN")
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text(f"{TOKEN}\n")
    reach.check_head(address, False)
    assert stat.S_IMODE((home / ".ray" / "auth_token").stat().st_mode) == 0o600
    reach.check_head(f"{outside_address()}:{closed_cluster.port}", False)  # others may reach it: it asks
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "nowhere"))
    with pytest.raises(ClusterError, match="RAY_AUTH_TOKEN_PATH names"):
        reach.check_head(address, False)


@pytest.mark.heavy
def test_a_token_that_others_could_read_on_its_way_is_told(closed_cluster, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    assert not reach.sends_token_in_clear(reach.check_dashboard(closed_cluster.url, False))
    url = f"http://{outside_address()}:{closed_cluster.dashboard_port}"
    for insecure in ([], ["--insecure"]):
        command = [sys.executable, "-m", "sweep", "jobs", "--address", url, *insecure]
        ran = subprocess.run(command, capture_output=True, text=True)
        assert ran.returncode == 0 and ran.stdout == "No sweep was submitted here.\n", ran.stderr
        assert ("has no TLS, so others on the network can read the token" in ran.stderr) is (not insecure)
        assert TOKEN not in ran.stderr


@pytest.mark.heavy
def test_a_job_that_the_cluster_does_not_know_is_told(closed_cluster, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    code = f"""
from sweep.commands.main import main
for name in ("logs", "stop"):
    print(main([name, "raysubmit_none", "--address", "{closed_cluster.url}"], standalone_mode=False))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout.split() == ["2", "2"] and "Traceback" not in ran.stderr, ran.stderr
    assert ran.stderr.count('knows no sweep "raysubmit_none"') == 2


@pytest.mark.heavy
def test_what_the_environment_says_does_not_override_what_was_given(open_cluster, monkeypatch):
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.setenv(name, "http://10.1.1.1:8265")
    reach.check_dashboard(open_cluster.url, True)
    assert "RAY_ADDRESS" not in os.environ and "RAY_API_SERVER_ADDRESS" not in os.environ


def test_who_does_not_answer_is_told_in_time():
    port = free_port()
    began = time.monotonic()
    with pytest.raises(ClusterError, match=rf"No Ray cluster answers at 127\.0\.0\.1:{port}"):
        reach.check_head(f"127.0.0.1:{port}", False)
    with pytest.raises(ClusterError, match=rf"No Ray dashboard answers at http://127\.0\.0\.1:{port}"):
        reach.check_dashboard(f"http://127.0.0.1:{port}", False)
    assert time.monotonic() - began < 60


@pytest.mark.heavy  # takes seconds
def test_who_listens_may_take_longer_to_answer_but_not_for_ever(monkeypatch):
    monkeypatch.setattr(reach, "CONNECT_TIMEOUT_S", 1.0)
    monkeypatch.setattr(reach, "ANSWER_TIMEOUT_S", 1.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port, began = silent.getsockname()[1], time.monotonic()
        with pytest.raises(ClusterError, match=r"No Ray cluster answers at .* \(deadline_exceeded\)"):
            reach.check_head(f"127.0.0.1:{port}", False)
        with pytest.raises(ClusterError, match=r"No Ray dashboard answers at .* \(timed out\)"):
            reach.check_dashboard(f"http://127.0.0.1:{port}", False)
        assert 3 <= time.monotonic() - began < 60


class NoRay(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def web_server(handler):
    """The address of a web server that answers by `handler`."""
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_another_web_server_is_no_dashboard():
    with web_server(NoRay) as address:
        with pytest.raises(
            ClusterError, match=r"status 404, so it is no Ray dashboard\. Correct --address\.$"
        ):
            reach.check_dashboard(address, False)
        with pytest.raises(
            ClusterError, match=r"404.* behind a path such as /ray cannot be used: run `ssh -L"
        ):
            reach.check_dashboard(f"{address}/ray", False)
        with pytest.raises(ClusterError, match="No Ray cluster answers"):
            reach.check_head(address.removeprefix("http://"), False)


def test_a_certificate_of_an_authority_of_one_s_own_is_told(monkeypatch):
    wrong = ssl.SSLCertVerificationError("certificate verify failed")
    wrong.verify_message = "unable to get local issuer certificate"

    def refuse(url, secret):
        raise urllib.error.URLError(wrong)

    monkeypatch.setattr(reach, "_get", refuse)
    with pytest.raises(ClusterError, match=r"local issuer certificate.*SSL_CERT_FILE and REQUESTS_CA_BUNDLE"):
        reach.check_dashboard("https://head:8265", False)


class Open(NoRay):
    """A dashboard that asks for no token."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.mark.parametrize("listed", ["", "other.example", "*"])
def test_ray_s_client_asks_no_proxy_either(monkeypatch, listed):
    import requests  # which Ray's client uses

    asked = []

    class Proxy(NoRay):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(403)

    monkeypatch.setenv("NO_PROXY", listed)
    monkeypatch.delenv("no_proxy")
    with web_server(Open) as address, web_server(Proxy) as proxy:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, proxy)
        reach.check_dashboard(address, True)
        assert requests.get(f"{address}/api/version", timeout=60).status_code == 200 and not asked
    if listed == "*":  # which means all hosts only if it stands alone
        assert os.environ["NO_PROXY"] == "*" and "no_proxy" not in os.environ
    else:
        assert os.environ["no_proxy"] == ",".join(filter(None, [listed, "127.0.0.1"]))


@pytest.mark.parametrize(
    "given", ["host", "host:", ":6379", "host:x", "host:0", "host:70000", "ray://h:10001", ""]
)
def test_what_is_no_address_of_a_head_is_refused(given):
    with pytest.raises(
        ClusterError, match=re.escape(f'--address got "{given}", but needs auto or the HOST:PORT')
    ):
        reach.head_address(given)


@pytest.mark.parametrize(
    "given", ["127.0.0.1:8265", "ray://h:1", "ftp://h", "http://", "http://user:hidden@h:8265", ""]
)
def test_what_is_no_address_of_a_dashboard_is_refused_without_its_password(given):
    with pytest.raises(ClusterError, match="needs the address of the cluster's dashboard") as told:
        reach.check_dashboard(given, False)
    assert "hidden" not in str(told.value)


def test_auto_is_the_cluster_of_a_submitted_driver(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.7:6379")
    assert reach.head_address("auto") == "10.0.0.7:6379"
    assert reach.head_address("10.0.0.8:6379") == "10.0.0.8:6379"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(
            (host, True)
            for host in ("127.0.0.1", "127.8.9.1", "::1", "[::1]", "::ffff:127.0.0.1", "localhost")
        ),
        *(
            (host, False)
            for host in (
                "0.0.0.0",
                "::",
                "10.0.0.1",
                "::ffff:10.0.0.1",
                "fd00::2",
                "127.0.0.1.example.invalid",
            )
        ),
    ],
)
def test_who_is_reached_from_this_machine_only(host, expected):
    assert reach.is_loopback(host) is expected


pytestmark = pytest.mark.long(50)

ONE_AFTER_THE_OTHER = """
import json, os, psutil, sys
from cluster.connect import local
from cluster.connect.attached import attached
from ray._private import ray_constants
def settings():
    names = ("RAY_AUTH_MODE", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")
    return [*map(os.environ.get, names), ray_constants.ENABLE_RAY_CLUSTER]
before, modes, listeners = settings(), [], set()
for address in sys.argv[1:]:
    with attached(address, None):
        modes.append(os.environ["RAY_AUTH_MODE"])
    assert settings() == before
with local.started(cpus=1):
    modes.append(os.environ["RAY_AUTH_MODE"])
    here = psutil.Process()
    for process in [here, *here.children(recursive=True)]:
        for connection in process.net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                listeners.add(connection.laddr.ip.removeprefix("::ffff:"))
assert settings() == before
print(json.dumps([modes, sorted(listeners)]))
"""


@pytest.mark.slow
@pytest.mark.heavy
def test_one_process_uses_an_open_cluster_then_a_closed_one_then_its_own_which_none_but_it_reaches(
    open_cluster, closed_cluster, home
):
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text(TOKEN)
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}
    command = [sys.executable, "-c", ONE_AFTER_THE_OTHER, open_cluster.address, closed_cluster.address]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    modes, listeners = json.loads(ran.stdout)
    assert modes == ["disabled", "token", "token"]
    assert listeners and set(listeners) <= {"127.0.0.1", "::1"}
    assert stat.S_IMODE((home / ".ray" / "auth_token").stat().st_mode) == 0o600
