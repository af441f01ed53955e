"""The path of a run: a `pathlib.Path` on this machine, or a `RemotePath` on an object store.

Both have the few methods of pathlib that this project uses, so code that reads or writes a run's files need not know
which one it has. This module contacts no store and imports nothing heavy; a store is contacted when a file is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from results.folder.object_store import RemotePath

if TYPE_CHECKING:
    from typing_extensions import TypeIs

AnyPath: TypeAlias = Path | RemotePath

_OPTIONS = {"s3": {"region", "endpoint_override", "scheme"}, "gs": set[str]()}
"""The object stores that a run can be on, and the options that their URIs may have after the question mark."""

_SECRET_NAMES = (
    "key",
    "keyid",
    "secret",
    "token",
    "pass",
    "passwd",
    "password",
    "credential",
    "credentials",
    "signature",
)
"""How the names of options after the question mark end if their values are secrets, in lower case."""

_CREDENTIALS = (
    "Credentials do not belong there: a URI is printed, logged and kept. Put them into AWS_ACCESS_KEY_ID, "
    "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or into ~/.aws/credentials."
)


def any_path(location: str | Path | RemotePath) -> AnyPath:
    """Return the path that a text or a URI names.

    Args:
        location: a path, `file:///path`, `s3://bucket/folder` or `gs://bucket/folder`. The address of an S3 may follow as
            `?endpoint_override=HOST:PORT&scheme=http&region=NAME`, or come from AWS_ENDPOINT_URL and AWS_REGION.

    Raises:
        ValueError: no run can be at the URI, or it has credentials; the message does not repeat them.
    """
    if not isinstance(location, str) or "://" not in location:
        return location if isinstance(location, RemotePath) else Path(location)
    scheme, _, rest = location.partition("://")
    if scheme == "file":
        return Path(unquote(rest))
    if scheme not in _OPTIONS:
        raise ValueError(
            f"A run cannot live on {scheme}://. Name a path (a shared or mounted file system is one), or a folder of an "
            "object store: s3://bucket/folder or gs://bucket/folder."
        )
    before, _, query = rest.partition("?")
    bucket, _, folder = before.partition("/")
    names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    check_no_credentials(location)
    if unknown := sorted(names - _OPTIONS[scheme]):
        allowed = ", ".join(sorted(_OPTIONS[scheme])) or "nothing"
        raise ValueError(f"The {scheme}:// URI has {unknown[0]}=, but only {allowed} may follow the ?.")
    if not bucket or "#" in location or urlsplit(location).netloc != bucket:
        raise ValueError(
            f"{location} names no folder of a bucket. It should look like {scheme}://bucket/folder."
        )
    key = "/".join(part for part in unquote(folder).split("/") if part)
    if not key or "//" in folder.rstrip("/") or any(part in (".", "..") for part in key.split("/")):
        raise ValueError(
            f"{location} names no folder of the bucket. Add one, of plain names: {scheme}://{bucket}/folder."
        )
    return RemotePath(scheme, f"{bucket}/{key}", query)


def check_no_credentials(uri: str) -> None:
    """Check that a URI has no credentials.

    Raises:
        ValueError: it has; the message does not repeat them.
    """
    scheme, _, rest = uri.partition("://")
    before, _, query = rest.partition("?")
    host = before.partition("/")[0]
    names = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    # A store of buckets has neither users nor ports; elsewhere, a user is no secret, but what follows the colon is.
    in_host = ("@" in host or ":" in host) if scheme in _OPTIONS else ":" in host.rpartition("@")[0]
    in_options = any(name.endswith(_SECRET_NAMES) for name in names) or "sig" in names  # Azure's
    if in_host or in_options:
        raise ValueError(f"The {scheme}:// URI carries credentials. {_CREDENTIALS}")


def is_remote(path: AnyPath) -> TypeIs[RemotePath]:
    """Return whether a path is on an object store and not on a file system of this machine."""
    return isinstance(path, RemotePath)
