"""The pictures' home: a folder, or a bucket at S3, Google Cloud Storage or Azure.

When `put` returns, the picture survives a loss of power: in a folder its bytes, then its name and every folder above
that was new are flushed to disk; a bucket answers only when it holds the object. Nothing half-written is ever seen
under a picture's name. Every call is tried a bounded number of times within a deadline.

It does not promise which of two different puts of one name wins when they overlap, only that one of them does,
whole. A put past its deadline may still land later. In a folder it does not notice that a volume was unmounted and
left an empty folder behind, and on macOS the drive's own cache is not flushed. It lists nothing.

Credentials come from the environment, as obstore reads it (AWS_…, GOOGLE_…, AZURE_…). What a store answers may hold
keys and signatures, so no message repeats it: only its status and its error code.
"""

import asyncio
import contextlib
import errno
import os
import random
import re
import secrets
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store

from easel.domain.errors import EaselError

PICTURE_BYTES_MAX: Final = 32 * 1024 * 1024
DEADLINE_S: Final = 30.0

_ATTEMPTS_MAX: Final = 4
_BACK_OFF_S: Final = 0.2
"""Waited before the second attempt, doubled before each further one; up to half as much again is added by chance."""

_NAME = re.compile(r"([0-9a-z]{2})/\1[0-9a-z_-]{1,126}\.(webp|png|jpg)")
_STAGING: Final = ".staging"
_STAGED_LIFETIME_S: Final = 3600
"""A staged file this old belongs to a writer that was killed: a put ends, or is given up, long before."""

_BUCKETS: Final[Mapping[str, type[S3Store] | type[GCSStore] | type[AzureStore]]] = {
    "s3": S3Store,
    "gs": GCSStore,
    "az": AzureStore,
}
_NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})
_OPTION = re.compile(r"(aws|google|azure)_[a-z0-9_]+")
# obstore takes these for itself and aborts when it meets one among a store's options.
_CLIENT_OPTION = re.compile(
    r"\w+_(allow_\w+|default_\w+|http[12]_\w+|pool_\w+|proxy_\w+|randomize_\w+|\w*timeout|user_agent)"
)

_FAULTS: Final[Mapping[int, str]] = {
    errno.EACCES: "this user may not do that there; change the folder's owner or mode",
    errno.EPERM: "this user may not do that there; change the folder's owner or mode",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than this process or file system may write",
    errno.ENOENT: "the folder is missing; was it removed or unmounted?",
    errno.ENOTDIR: "it is not a folder",
    errno.EEXIST: "it is not a folder",
    errno.ELOOP: "its links run in a circle",
    errno.ENAMETOOLONG: "its path is too long",
    errno.EXDEV: "its parts lie on different file systems",
}
"""What trying again does not mend, in the operator's words."""

_UNUSABLE: Final = (BaseError, ValueError, TypeError, OSError)
"""What obstore raises when a store cannot be made from its URL, options and environment."""

_T = TypeVar("_T")


class StorageFailed(EaselError):
    """The store refused, failed or did not answer; the message tells the operator what and where, and no secret."""


class PictureGone(StorageFailed):
    """There is no picture of that name to read: it was deleted, or never put."""


class Pictures:
    """Stored pictures by name. A name looks like `ab/abcdef.webp`; a process may share one among all its tasks."""

    def __init__(
        self,
        url: str,
        options: Mapping[str, str] = _NO_OPTIONS,
        *,
        picture_bytes_max: int = PICTURE_BYTES_MAX,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """`url` is a folder (a path or `file:///path`; made when missing), or `s3://`, `gs://` or `az://bucket/prefix`.

        `options` are obstore's settings for a bucket, such as `aws_endpoint` or `azure_storage_account_name`; they win
        over the environment. An endpoint may be plain http. This touches the disk, never the network.
        Raises StorageFailed when the folder cannot be made or the URL or an option is wrong.
        """
        assert picture_bytes_max > 0
        assert deadline_s > 0
        self._picture_bytes_max = picture_bytes_max
        self._deadline_s = deadline_s
        self._folder: _Folder | None = None
        self._store: ObjectStore
        scheme = _scheme(url)
        if scheme == "file":
            self._folder = _Folder(_folder_path(url))
            self.place = f"the folder {self._folder.path}"
            self._store = self._folder.open()
        else:
            self.place = _bucket_place(url)
            self._store = _bucket(scheme, url, self.place, options, deadline_s)

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        """Store the picture, replacing one of the same name; durable on return. Raises StorageFailed."""
        assert _NAME.fullmatch(name)
        assert 0 < len(data) <= self._picture_bytes_max

        async def act() -> None:
            if self._folder is not None:
                await asyncio.to_thread(self._folder.write, name, data)
            else:
                # In one piece, so that an upload broken off leaves no parts behind that nobody sees or deletes.
                attributes = {"Content-Type": content_type}
                await obstore.put_async(self._store, name, data, attributes=attributes, use_multipart=False)

        await self._try("written to", act)

    async def size_bytes(self, name: str) -> int | None:
        """How large the picture is; None where there is none of that name. Raises StorageFailed."""
        assert _NAME.fullmatch(name)

        async def act() -> int | None:
            try:
                return (await obstore.head_async(self._store, name))["size"]
            except FileNotFoundError:
                await self._assure_folder()
                return None

        return await self._try("looked up in", act)

    async def read(self, name: str, start: int, end: int) -> bytes:
        """Exactly the bytes from `start` to just before `end`.

        Raises PictureGone where there is none of that name, StorageFailed where it is shorter than `end`.
        """
        assert _NAME.fullmatch(name)
        assert 0 <= start < end <= self._picture_bytes_max

        async def act() -> bytes:
            try:
                return bytes(await obstore.get_range_async(self._store, name, start=start, end=end))
            except FileNotFoundError:
                await self._assure_folder()
                raise PictureGone(f"There is no picture of that name in {self.place}") from None

        data = await self._try("read from", act)
        if len(data) != end - start:
            raise StorageFailed(f"A picture in {self.place} is shorter than was asked for: was it cut off or changed?")
        return data

    async def delete(self, name: str) -> None:
        """Remove the picture, durably; nothing happens where there is none. Raises StorageFailed."""
        assert _NAME.fullmatch(name)

        async def act() -> None:
            if self._folder is not None:
                await asyncio.to_thread(self._folder.remove, name)
            else:
                with contextlib.suppress(FileNotFoundError):
                    await obstore.delete_async(self._store, name)

        await self._try("deleted from", act)

    async def check(self) -> None:
        """Write, read and delete a small object of its own. Raises StorageFailed with what went wrong first."""
        name = f"00/00check-{secrets.token_hex(16)}.png"
        data = secrets.token_bytes(32)
        await self.put(name, data, "image/png")
        try:
            if await self.read(name, 0, len(data)) != data:
                raise StorageFailed(f"What was written to {self.place} reads back different")
        finally:
            await self.delete(name)

    async def _assure_folder(self) -> None:
        # A vanished folder must not pass for one without this picture.
        if self._folder is not None:
            await asyncio.to_thread(self._folder.path.stat)

    async def _try(self, done: str, act: Callable[[], Awaitable[_T]]) -> _T:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._attempt(done, act)
        except TimeoutError:
            raise self._failed(done, f"no answer within {self._deadline_s:g} seconds") from None

    async def _attempt(self, done: str, act: Callable[[], Awaitable[_T]]) -> _T:
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            try:
                return await act()
            except (OSError, BaseError) as error:
                reason, lasting = _diagnosis(error, in_folder=self._folder is not None)
            if lasting or attempt == _ATTEMPTS_MAX:
                break
            chance = random.random() / 2  # noqa: S311 (keeps many workers from knocking at once; no secret)
            await asyncio.sleep(_BACK_OFF_S * 2 ** (attempt - 1) * (1 + chance))
        raise self._failed(done, reason)

    def _failed(self, done: str, reason: str) -> StorageFailed:
        return StorageFailed(f"A picture cannot be {done} {self.place}: {reason}")


class _Folder:
    """A local folder's writing half, which obstore does not flush. Blocking; safe for several threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._flushed: set[Path] = set()

    def open(self) -> ObjectStore:
        """The reading half, with the folder made where it is missing. Raises StorageFailed."""
        try:
            _make_folder(self.path)
            return LocalStore(self.path)
        except (OSError, BaseError) as error:
            reason, _ = _diagnosis(error, in_folder=True)
            raise StorageFailed(f"The folder {self.path} cannot be used for pictures: {reason}") from None

    def write(self, name: str, data: bytes) -> None:
        """Stage, flush, rename, flush: a name appears only when its bytes are on the disk."""
        target = self.path / name
        staging = self._ready(self.path / _STAGING)
        self._ready(target.parent)
        descriptor, staged = tempfile.mkstemp(dir=staging)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            Path(staged).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(staged).unlink()
            raise
        _flush_folder(target.parent)

    def remove(self, name: str) -> None:
        """Delete and flush, so that no crash brings the picture back."""
        target = self.path / name
        try:
            target.unlink()
        except FileNotFoundError:
            self.path.stat()
        else:
            _flush_folder(target.parent)

    def _ready(self, folder: Path) -> Path:
        # Remembered per process, not taken from the disk: another process may have made it and not flushed it yet.
        if folder not in self._flushed or not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            _flush_folder(self.path)
            if folder.name == _STAGING:
                _clear_staging(folder)
            self._flushed.add(folder)
        return folder


def _make_folder(folder: Path) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        _flush_folder(path.parent)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear_staging(staging: Path) -> None:
    # Ages are told by the file system's own clock, which on a network share is not this machine's.
    with tempfile.NamedTemporaryFile(dir=staging) as probe:
        now_s = os.fstat(probe.fileno()).st_mtime
        for path in staging.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if now_s - path.stat().st_mtime > _STAGED_LIFETIME_S:
                    path.unlink()


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme if "://" in url else "file"
    except ValueError:
        raise StorageFailed("The storage URL is not well-formed") from None


def _folder_path(url: str) -> Path:
    if "://" not in url:
        path = Path(url)
    else:
        parts = urlsplit(url)
        path = Path(unquote(parts.path))
        if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
            raise StorageFailed("A storage URL of a folder is written file:///path, with three slashes and no more")
    if not url or "\0" in str(path):
        raise StorageFailed("The storage URL names no folder")
    return path.absolute()


def _bucket_place(url: str) -> str:
    parts = urlsplit(url)
    # Without whatever stands before an @ or after a ?, which may be a secret.
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _bucket(scheme: str, url: str, place: str, options: Mapping[str, str], deadline_s: float) -> ObjectStore:
    if scheme not in _BUCKETS:
        raise StorageFailed(f"A storage URL starts with file://, s3://, gs:// or az://, not with {scheme}://")
    if place != url or not urlsplit(url).netloc:
        raise StorageFailed(f"The storage URL must be {scheme}://bucket or {scheme}://bucket/prefix and hold no more")
    for option in options:
        if not _OPTION.fullmatch(option) or _CLIENT_OPTION.fullmatch(option):
            raise StorageFailed(f"{option!r} is no option of a store; they start with aws_, google_ or azure_")
    # One object is deleted at a time, and not every server that speaks S3 has the call for many.
    defaults = {"aws_disable_bulk_delete": "true"} if scheme == "s3" else {}
    try:
        return _connected(scheme, url, {**defaults, **options}, deadline_s)
    except _UNUSABLE as error:
        raise StorageFailed(
            f"{place} cannot be used for pictures ({type(error).__name__}): check the URL, the storage options and "
            "the credentials in the environment (Azure needs AZURE_STORAGE_ACCOUNT_NAME)"
        ) from None


def _connected(scheme: str, url: str, config: Mapping[str, str], deadline_s: float) -> ObjectStore:
    request_s = f"{max(1, round(deadline_s / 2))}s"
    arguments: dict[str, Any] = {
        "config": dict(config),
        # The endpoint's scheme is the operator's own choice; refusing http here would only hide why it fails.
        "client_options": {"allow_http": True, "timeout": request_s},
        # Attempts are counted and spaced here, for every kind of store alike.
        "retry_config": {"max_retries": 0},
    }
    return _BUCKETS[scheme].from_url(url, **arguments)


def _diagnosis(error: OSError | BaseError, *, in_folder: bool) -> tuple[str, bool]:
    """Why it failed, in words for the operator, and whether trying again is of no use."""
    if in_folder:
        return _folder_diagnosis(error)
    if isinstance(error, PermissionDeniedError):
        return f"access is denied{_answer(error)}; check what these credentials may do", True
    if isinstance(error, UnauthenticatedError):
        return f"the credentials are not accepted{_answer(error)}", True
    if isinstance(error, FileNotFoundError):
        return f"there is no such bucket{_answer(error)}", True
    answer = _answer(error)
    # The bucket's own 401, 403 and 404 have classes of their own, above; these come from where keys are looked for.
    if not answer or answer.startswith((" (401", " (403", " (404")):
        return f"it cannot be reached or no credentials were found{answer}; check the endpoint and them", False
    return f"it answered with an error{answer}", False


def _folder_diagnosis(error: OSError | BaseError) -> tuple[str, bool]:
    if isinstance(error, PermissionDeniedError | PermissionError):
        return _FAULTS[errno.EACCES], True
    if isinstance(error, OSError) and error.errno is not None:
        known = _FAULTS.get(error.errno)
        return known or os.strerror(error.errno), known is not None
    return "its file system answered with an error", False


def _answer(error: BaseException) -> str:
    text = str(error)
    found = (re.search(r"status code: (\d{3})\b", text), re.search(r"<Code>([A-Za-z0-9.]{1,64})</Code>", text))
    words = " ".join(match[1] for match in found if match)
    return f" ({words})" if words else ""
