"""Checks before a sweep connects to a cluster: does the cluster answer, is it protected by a token, is the token right?

Ray runs any code that reaches it, as the user who started it. So a cluster that other machines can reach and that asks
for no token is refused, unless the user allows it. Each check sends one harmless request in Ray's wire format, because
importing Ray would take seconds.

Terminology
    head          the node whose GCS (global control store) all other nodes talk to, at HOST:PORT
    dashboard     the head's web server, at http://HOST:8265, to which jobs are submitted
    token         a secret that all nodes and users of a cluster share (Ray's "token authentication"), sent as `Bearer`
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from cluster.connect import ray_internals
from cluster.connect.token import token
from cluster.errors import ClusterError

CONNECT_TIMEOUT_S = 1.5
"""Seconds within which a connection to an address must be accepted."""

ANSWER_TIMEOUT_S = 10.0
"""Seconds within which a request must be answered; a busy head is slow."""

_REASON = (
    "Ray runs any code that reaches it, as the user who started it, and this cluster asks for no token, though other "
    "machines can reach it. "
    "Start it with RAY_AUTH_MODE=token in the environment of `ray start`, or pass --insecure if its network is yours "
    "alone."
)

_NO_CLUSTER = "No Ray cluster answers at {address} ({reason}). Correct --address, or start the cluster."


def head_address(given: str) -> str:
    """Return the `HOST:PORT` of a cluster's head.

    Args:
        given: an address, or "auto" for the cluster that this machine is a node of.

    Raises:
        ClusterError: the address is invalid, or this machine is not a node of a cluster.
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
            "If this machine is not a node of the cluster: sweep submit PLAN --address http://HEAD:8265."
        )
    return given


def check_head(address: str, insecure: bool) -> None:
    """Check that the head answers, is protected, and accepts the user's token.

    Args:
        address: `HOST:PORT`.
        insecure: whether to allow a cluster that other machines can reach without a token.

    Raises:
        ClusterError: it does not answer, the user has no token or a wrong one, or it is not protected.
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
    """Check the Jobs server at `address` as `check_head` checks a head, and return the address without a path.

    Ray's authentication mode is set to what the server asks for, and the server is excepted from proxies.
    Both stay so, because a command uses only one server.

    Raises:
        ClusterError: see `check_head`; or `address` is not the address of a dashboard.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise ClusterError(
            "--address needs the address of the cluster's dashboard, such as http://HEAD:8265, without user and "
            f"password{'' if parts.password else f', but got {address!r}'}."
        )
    address = f"{parts.scheme}://{parts.netloc}"
    if _status(address, None, parts.path) in (401, 403):
        secret = token()
        if secret is None:
            raise ClusterError(_no_token(address))
        if _status(address, secret, parts.path) in (401, 403):
            raise ClusterError(
                f"The cluster at {address} does not take the token of this user. {_TOKEN_REMEDY}"
            )
        os.environ["RAY_AUTH_MODE"] = "token"
    else:
        if not insecure and (not is_loopback(parts.hostname) or _nodes_listen_to_others(address)):
            raise ClusterError(f"The cluster at {address} is refused: {_REASON}")
        os.environ["RAY_AUTH_MODE"] = "disabled"
    _without_proxy(parts.hostname)
    # Ray would let these two override the address that the user has just given.
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        os.environ.pop(name, None)
    return address


def _without_proxy(host: str) -> None:
    """Have all clients of this process reach `host` as the checks do: a proxy would read the token."""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if listed.strip() == "*":  # which means all hosts only if it stands alone
        return
    if host not in listed.split(","):
        listed = f"{listed},{host}" if listed else host
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = listed


def sends_token_in_clear(dashboard: str) -> bool:
    """Return whether the token would be sent unencrypted to a dashboard, which must have been checked before."""
    parts = urlsplit(dashboard)
    asks = os.environ.get("RAY_AUTH_MODE") == "token"
    return asks and parts.scheme == "http" and not is_loopback(parts.hostname or "")


_TOKEN_REMEDY = (
    "Copy ~/.ray/auth_token from the head to this machine, readable by you only, or name a file with the token in "
    "RAY_AUTH_TOKEN_PATH."
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
    """Return whether other machines can reach `port` of this machine. With Ray's default they can, even on 127.0.0.1.

    The answer is False for a port that no process of this machine listens on, such as the end of a tunnel, and if the
    system does not tell (macOS, for other users' processes).
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
    """Return whether other machines can reach the nodes of a cluster whose dashboard is at a loopback address."""
    try:
        summary = json.loads(_get(f"{dashboard}{ray_internals.NODES_SUMMARY}", None))["data"]["summary"]
        raylets = [node["raylet"] for node in summary if node["raylet"].get("state") == "ALIVE"]
        return not raylets or any(
            not is_loopback(raylet["nodeManagerAddress"])
            or _listens_to_others(int(raylet["nodeManagerPort"]))
            for raylet in raylets
        )
    except (OSError, ValueError, KeyError, TypeError):
        return True  # not known to be safe


def asks_for_token(address: str, secret: str | None = None) -> bool:
    """Return whether the head at `HOST:PORT` refuses a harmless request with `secret` as its token, or without a token.

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
    """Open and close a connection, to fail quickly if nothing listens; the clients in this module would wait longer."""
    socket.create_connection((host.strip("[]"), port), timeout=CONNECT_TIMEOUT_S).close()


def _status(address: str, secret: str | None, path: str = "") -> int:
    """Return 200 if a dashboard answers, 401 or 403 if it asks for a token or does not accept `secret`.

    Args:
        address: without a path.
        secret: the token; None to ask without one.
        path: what followed the address. It is not used, because users copy the address of a page of the dashboard.
    """
    try:
        _get(f"{address}/api/version", secret)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return error.code
        remedy = "Correct --address."
        if path.strip("/"):
            remedy = (
                f"A dashboard that a proxy shows behind a path such as {path} cannot be used: run "
                "`ssh -L 8265:localhost:8265 HEAD` and use --address http://localhost:8265."
            )
        raise ClusterError(
            f"{address} answers with HTTP status {error.code}, so it is no Ray dashboard. {remedy}"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise ClusterError(
                f"The certificate of {address} cannot be verified ({reason.verify_message}). If an authority of your own "
                "has signed it, have SSL_CERT_FILE and REQUESTS_CA_BUNDLE name the file with its certificate."
            ) from None
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
