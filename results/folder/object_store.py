"""A file or folder on an object store, as a path with the methods of pathlib that this project uses.

What is atomic there
    A PUT makes or replaces one object, all or nothing; so does the completion of an upload in several parts. A GET sees
    one version of one object. A store has no rename, no lock and no order between two objects. A client that gets no
    answer does not know whether its PUT has taken place or will take place later. So every object may be written twice,
    and must then have the same bytes (see `results.store.object_dataset`).

What is supported
    S3 and other stores with its protocol are supported and tested. Google Cloud Storage is supported by the same rules,
    but not tested. Azure is not supported, because Arrow makes an empty blob visible before the first byte is written.
    Remote file systems such as HDFS are not supported: mount them.
"""

from __future__ import annotations

import errno
import fnmatch
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, quote

from results.folder import retry
from results.folder.errors import FolderError, UnreachableError

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

CONNECT_TIMEOUT_S, REQUEST_TIMEOUT_S = 1.0, 4.0
"""Seconds until a connection is made, and seconds without a byte on it."""

_Answer = TypeVar("_Answer")


@dataclass
class _Store:
    """The connection to a store, shared by all paths on it."""

    system: FileSystem
    answered: bool = False


@dataclass(frozen=True)
class Stat:
    """Size and time of an object, under the names of `os.stat_result`."""

    st_size: int
    st_mtime_ns: int


@dataclass(frozen=True, order=True)
class RemotePath:
    """A file or folder on an object store.

    Attributes:
        scheme: such as "s3".
        key: bucket and key, joined by a slash.
        query: the part of the URI after the question mark.
    """

    scheme: str
    key: str
    query: str = ""
    _found: FileInfo | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{quote(self.key)}" + (f"?{self.query}" if self.query else "")

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(self.scheme, f"{self.key}/{name}", self.query)

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rsplit("/", 1)[-1]

    @property
    def stem(self) -> str:
        """The name without its last suffix."""
        return self.name.rsplit(".", 1)[0]

    @property
    def parent(self) -> RemotePath:
        """The folder that it is in."""
        return RemotePath(self.scheme, self.key.rsplit("/", 1)[0], self.query)

    @property
    def endpoint(self) -> str:
        """The address of an S3 that is not Amazon's, from the URI or the environment; else empty."""
        if self.scheme != "s3":
            return ""
        given = dict(parse_qsl(self.query)).get("endpoint_override")
        return given or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""

    def resolve(self) -> RemotePath:
        """Return the path itself: it is absolute."""
        return self

    absolute = expanduser = resolve

    def as_uri(self) -> str:
        """Return the URI."""
        return str(self)

    def read_bytes(self) -> bytes:
        """Return the object's bytes.

        Raises:
            FileNotFoundError: there is none.
            FolderError: it cannot be read.
        """

        def get(system: FileSystem) -> bytes:
            with system.open_input_stream(self.key) as stream:
                return stream.read()

        return self._do(get)

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the object as text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(
        self,
        content: bytes,
        on_wait: Callable[[], object] | None = None,
        before_retry: Callable[[], object] | None = None,
    ) -> None:
        """Make or replace the object, all or nothing.

        Args:
            content: its bytes.
            on_wait: called before the first wait for a store that does not answer.
            before_retry: called before each try but the first; an error of it ends the tries.

        Raises:
            FolderError: the write failed, or `before_retry` did; the object may have been written nevertheless.
        """

        def put(system: FileSystem) -> None:
            with system.open_output_stream(self.key) as stream:
                stream.write(content)

        self._do(put, on_wait, before_retry)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        try:
            self._do(lambda system: system.delete_file(self.key))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def is_file(self) -> bool:
        """Return whether there is such an object."""
        return self._info().is_file

    def is_dir(self) -> bool:
        """Return True: objects can be written into any folder."""
        return True

    def stat(self) -> Stat:
        """Return size and time of the object.

        Raises:
            FileNotFoundError: there is none.
        """
        info = self._found or self._info()
        if not info.is_file:
            raise FileNotFoundError(errno.ENOENT, "No such object", str(self))
        return Stat(info.size, info.mtime_ns)

    def glob(self, pattern: str) -> list[RemotePath]:
        """Return the objects in this folder, without its subfolders, whose names match."""
        from pyarrow.fs import FileSelector

        found = self._do(lambda system: system.get_file_info(FileSelector(self.key, allow_not_found=True)))
        return sorted(
            RemotePath(self.scheme, f"{self.key}/{info.base_name}", self.query, info)
            for info in found
            if info.is_file and fnmatch.fnmatchcase(info.base_name, pattern)
        )

    def check_bucket(self) -> None:
        """Check that the bucket exists. A folder of a missing bucket would look like an empty one.

        Raises:
            FolderError: it does not, or the store does not answer.
        """
        bucket = self.key.split("/", 1)[0]
        if not self._do(lambda system: system.get_file_info(bucket)).type:
            raise FolderError(f"{self}: there is no bucket {bucket!r}. Make it, or correct the URI.")

    def _info(self) -> FileInfo:
        return self._do(lambda system: system.get_file_info(self.key))

    def _do(
        self,
        operation: Callable[[FileSystem], _Answer],
        on_wait: Callable[[], object] | None = None,
        before_retry: Callable[[], object] | None = None,
    ) -> _Answer:
        bucket, store = self.key.split("/", 1)[0], None
        try:
            store = _store(self.scheme, bucket, self.query, self.endpoint)
            limit_s = retry.PATIENCE_S if store.answered else retry.FIRST_PATIENCE_S
            answer = retry.patiently(lambda: operation(store.system), limit_s, on_wait, before_retry)
            store.answered = True
            return answer
        except (FileNotFoundError, FolderError):  # the latter is of `before_retry`
            raise
        except OSError as error:
            if retry.is_transient(error):
                if store is not None:
                    store.answered = False  # requests while the sweep ends should not wait as long again
                raise UnreachableError(f"{self}: {_reason(error, bucket)}") from error
            raise FolderError(f"{self}: {_reason(error, bucket)}") from error


@functools.lru_cache(maxsize=32)
def _store(scheme: str, bucket: str, query: str, endpoint: str) -> _Store:
    """Return a connection. This sends no request; credentials come from the environment and the usual files."""
    from pyarrow import fs

    if scheme == "gs":
        return _Store(fs.GcsFileSystem(retry_time_limit=timedelta(seconds=20)))
    given = dict(parse_qsl(query))
    options: dict[str, Any] = {name: given[name] for name in ("region", "scheme") if name in given}
    if endpoint:
        options["endpoint_override"] = endpoint
    elif (
        "region" not in given
        and not os.environ.get("AWS_REGION")
        and not os.environ.get("AWS_DEFAULT_REGION")
    ):
        options["region"] = fs.resolve_s3_region(bucket)
    system = fs.S3FileSystem(
        **options,
        allow_delayed_open=True,  # a small object is then one PUT
        background_writes=False,
        connect_timeout=CONNECT_TIMEOUT_S,
        request_timeout=REQUEST_TIMEOUT_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),  # retries are in `retry`
    )
    return _Store(system)


def _reason(error: OSError, bucket: str) -> str:
    """Return a text of what happened and what to do about it."""
    said = " ".join(str(error).split())[:400]
    if "NO_SUCH_BUCKET" in said:
        return f"there is no bucket {bucket!r}. Make it, or correct the URI."
    if any(
        word in said
        for word in ("ACCESS_DENIED", "INVALID_ACCESS_KEY", "SIGNATURE", "TOKEN", "CLIENT_ID", "403")
    ):
        return (
            f"access is denied ({said}). Give credentials with the right to it by AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or by ~/.aws/credentials."
        )
    if retry.is_transient(error):
        return (
            f"the store does not answer ({said}). Check the network, and AWS_ENDPOINT_URL if it is not Amazon's; "
            "then run the same command again."
        )
    return f"the store refuses ({said}). Correct what it says, then run the same command again."
