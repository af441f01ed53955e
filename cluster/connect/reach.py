"""Who may reach a cluster: whether it asks for a token, and the token that this user has.

Ray runs whatever reaches it, as the user that started it. So a cluster that others can reach and that asks for no
token is refused, unless the user says that it is meant so. What is asked of a cluster here is one harmless question
each, by its own wire format, since importing Ray for it would take seconds.

Terminology
    head          the node whose GCS (global control store) all others talk to, at HOST:PORT
    dashboard     the head's web server, at http://HOST:8265, where jobs are submitted
    token         a secret that all of a cluster share (Ray's "token authentication"), sent as `Bearer`
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from cluster.connect import ray_internals
from cluster.connect.token import token
from cluster.errors import ClusterError

CONNECT_TIMEOUT_S = 1.5
"""Seconds in which something must listen at an address."""

ANSWER_TIMEOUT_S = 10.0
"""Seconds in which whoever listens there must answer: a busy head takes its time."""

_REASON = (
    "Ray runs whatever reaches it, with the rights of whoever started it, and this cluster, which others than this "
    "machine can reach, asks for no token. "
    "Start it with RAY_AUTH_MODE=token in the environment of `ray start`, or pass --insecure if its network is yours "
    "alone."
)

_NO_CLUSTER = "No Ray cluster answers at {address} ({reason}). Correct --address, or start the cluster."


def head_address(given: str) -> str:
    """Return the `HOST:PORT` of a cluster's head.

    Args:
        given: that, or "auto" for the cluster that this machine is a node of.

    Raises:
        ClusterError: it is none, or this machine is no node of a cluster.
    """
    if given == "auto":
        given = os.environ.get("RAY_ADDRESS", "auto")
    if given == "auto":
        found = ray_internals.address_of_this_machine()
        if not found:
            raise ClusterError(
                "--address auto: no Ray cluster was started on this machine. Start one (`ray start --head`), name its "
                "head (--address HOST:6379), or submit the sweep from here: sweep submit."
            )
        given = found
    host, _, port = given.rpartition(":")
    if "://" in given or not host.strip("[]") or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ClusterError(
            f'--address got "{given}", but needs auto or the HOST:PORT of the head, such as 10.0.0.1:6379. '
            "For a cluster that this machine is no node of: sweep submit PLAN --address http://HEAD:8265."
        )
    return given


def check_head(address: str, insecure: bool) -> None:
    """Check that the head answers and may be talked to.

    Args:
        address: `HOST:PORT`.
        insecure: whether a cluster that others can reach may ask for no token.

    Raises:
        ClusterError: it does not answer, asks for a token that is not here or wrong, or asks for none.
    """
    if asks_for_token(address):
        secret = token()
        if secret is None:
            raise ClusterError(_no_token(address))
        if asks_for_token(address, secret):
            raise ClusterError(
                f"The cluster at {address} does not take the token of this user. {_TOKEN_REMEDY}"
            )
        return
    host, _, port = address.rpartition(":")
    if not insecure and (not is_loopback(host) or _listens_to_others(int(port))):
        raise ClusterError(f"The cluster at {address} is refused: {_REASON}")


def check_dashboard(address: str, insecure: bool) -> str:
    """Check that the Jobs server at `address` answers and may be talked to, and return the address without its end.

    Ray's authentication mode is set to what it asks for, for the rest of the process: a command talks to one of them.

    Raises:
        ClusterError: see `check_head`; or it is no address of a dashboard.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise ClusterError(
            "--address needs the address of the cluster's dashboard, such as http://HEAD:8265, without user and "
            f"password{'' if parts.password else f', but got {address!r}'}."
        )
    address = f"{parts.scheme}://{parts.netloc}"
    if _status(address, None) in (401, 403):
        secret = token()
        if secret is None:
            raise ClusterError(_no_token(address))
        if _status(address, secret) in (401, 403):
            raise ClusterError(
                f"The cluster at {address} does not take the token of this user. {_TOKEN_REMEDY}"
            )
        os.environ["RAY_AUTH_MODE"] = "token"
    else:
        if not insecure and (not is_loopback(parts.hostname) or _nodes_listen_to_others(address)):
            raise ClusterError(f"The cluster at {address} is refused: {_REASON}")
        os.environ["RAY_AUTH_MODE"] = "disabled"
    # Ray would let these two override the address that the user has just given.
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        os.environ.pop(name, None)
    return address


def sends_token_in_clear(dashboard: str) -> bool:
    """Return whether who listens between here and a dashboard, which was checked, could read the token."""
    parts = urlsplit(dashboard)
    asks = os.environ.get("RAY_AUTH_MODE") == "token"
    return asks and parts.scheme == "http" and not is_loopback(parts.hostname or "")


_TOKEN_REMEDY = (
    "Copy ~/.ray/auth_token of the head here, readable by you only, or name its file in RAY_AUTH_TOKEN_PATH."
)


def _no_token(address: str) -> str:
    return f"The cluster at {address} asks for a token, and this user has none. {_TOKEN_REMEDY}"


def is_loopback(host: str) -> bool:
    """Return whether `host` can be reached from this machine only."""
    host = host.strip("[]")
    try:
        found = (
            {host} if _is_address(host) else {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
        )
    except (OSError, UnicodeError):
        return False
    addresses = [ipaddress.ip_address(entry.partition("%")[0]) for entry in found]
    return all((getattr(one, "ipv4_mapped", None) or one).is_loopback for one in addresses)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _listens_to_others(port: int) -> bool:
    """Return whether `port` of this machine is open to others, too: Ray's default, also for a head on 127.0.0.1.

    A port that no process of this machine listens on, such as the end of a tunnel from elsewhere, is not; nor is one
    where the system does not tell (macOS, for other users' processes).
    """
    import psutil

    try:
        found = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return False
    hosts = {
        address.ip
        for address in (entry.laddr for entry in found if entry.status == psutil.CONN_LISTEN)
        if address and address.port == port
    }
    return not all(map(is_loopback, hosts))


def _nodes_listen_to_others(dashboard: str) -> bool:
    """Return whether the nodes of a cluster can be reached by others, though its dashboard is at a loopback address."""
    try:
        summary = json.loads(_get(f"{dashboard}{ray_internals.NODES_SUMMARY}", None))["data"]["summary"]
        raylets = [node["raylet"] for node in summary if node["raylet"].get("state") == "ALIVE"]
        return not raylets or any(
            not is_loopback(raylet["nodeManagerAddress"])
            or _listens_to_others(int(raylet["nodeManagerPort"]))
            for raylet in raylets
        )
    except (OSError, ValueError, KeyError, TypeError):
        return True  # nothing says that it is safe


def asks_for_token(address: str, secret: str | None = None) -> bool:
    """Ask the head at `HOST:PORT` whether it is alive; return whether it wants a token, or another one, first.

    Raises:
        ClusterError: it does not answer.
    """
    import grpc

    metadata = [("authorization", f"Bearer {secret}")] if secret else None
    host, _, port = address.rpartition(":")
    try:
        _connect(host, int(port))
    except OSError as error:
        raise ClusterError(_NO_CLUSTER.format(address=address, reason=error.strerror or error)) from None
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        ask = channel.unary_unary(ray_internals.CHECK_ALIVE)
        try:
            ask(b"", timeout=ANSWER_TIMEOUT_S, metadata=metadata)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                return True
            raise ClusterError(
                _NO_CLUSTER.format(address=address, reason=error.code().name.lower())
            ) from None
    return False


def _connect(host: str, port: int) -> None:
    """Find out within the time of one message whether anything listens: the clients below would wait for longer."""
    socket.create_connection((host.strip("[]"), port), timeout=CONNECT_TIMEOUT_S).close()


def _status(address: str, secret: str | None) -> int:
    """Return 200 where a dashboard answers, 401 or 403 where it wants (another) token first."""
    try:
        _get(f"{address}/api/version", secret)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return error.code
        raise ClusterError(
            f"{address} answers with HTTP status {error.code}, so it is no Ray dashboard. Correct --address."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ClusterError(
            f"No Ray dashboard answers at {address} ({reason}). Correct --address, or start the cluster with "
            "`ray start --head --include-dashboard=true`."
        ) from None
    return 200


def _get(url: str, secret: str | None) -> bytes:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    parts = urlsplit(url)
    _connect(parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers=headers), timeout=ANSWER_TIMEOUT_S) as answer:
        return bytes(answer.read())
