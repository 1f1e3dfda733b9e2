"""Stores pictures in a folder, or in a bucket at S3, Google Cloud Storage or Azure.

When `put` returns, the picture survives a loss of power: a folder has flushed its bytes, its name and every new folder
above it; a bucket answers only when it has the object. Incomplete pictures are never visible. Every call is tried a
bounded number of times within a deadline.

If two puts of the same name overlap, one of them wins, but which one is not defined. A put that exceeds its deadline
may still succeed later; a process that exits waits for it for up to half a deadline. This module does not notice a
folder that is empty because its volume was unmounted. Pictures cannot be listed.

obstore reads credentials from the environment (AWS_…, GOOGLE_…, AZURE_…). A store's answers may contain keys and
signatures, so messages repeat only the status and the error code.
"""

import asyncio
import random
import re
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from easel.domain.errors import Unusable
from easel.outside.pictures.folder import PictureFolder, folder_diagnosis
from easel.runtime.network_environment import NetworkUnusable, check_certificates, proxy_variables

PICTURE_BYTES_MAX: Final = 32 * 1024 * 1024
DEADLINE_S: Final = 30.0

CALLS_AT_ONCE_MAX: Final = 32
"""More calls wait for their turn, within their deadlines."""

_ATTEMPTS_MAX: Final = 4
_BACK_OFF_S: Final = 0.2
"""The wait before the second attempt, doubled before each later one, plus a random share of up to one half."""

_NAME = re.compile(r"([0-9a-z]{2})/\1[0-9a-z_-]{1,126}\.(webp|png|jpg)")

_BUCKETS: Final[Mapping[str, type[S3Store] | type[GCSStore] | type[AzureStore]]] = {
    "s3": S3Store,
    "gs": GCSStore,
    "az": AzureStore,
}
_NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})
_OPTION = re.compile(r"(aws|google|azure)_[a-z0-9_]+")
# obstore treats these as its own settings and aborts when a store's options contain one.
_CLIENT_OPTION = re.compile(
    r"\w+_(allow_\w+|default_\w+|http[12]_\w+|pool_\w+|proxy_\w+|randomize_\w+|\w*timeout|user_agent)"
)

_NO_BUCKET: Final = ("<Code>NoSuchBucket<", "<Code>ContainerNotFound<")
_UNUSABLE: Final = (BaseError, ValueError, TypeError, OSError)
"""What obstore raises when its URL, options and environment do not make a usable store."""

_T = TypeVar("_T")


class StorageFailed(Unusable):
    """The store refused, failed or did not answer. The message contains no secrets."""


class PictureGone(StorageFailed):
    """There is no picture of that name: it was deleted, or never stored."""


class Pictures:
    """Stored pictures by name, such as `ab/abcdef.webp`. All tasks of a process may share one object."""

    def __init__(
        self,
        url: str,
        options: Mapping[str, str] = _NO_OPTIONS,
        *,
        picture_bytes_max: int = PICTURE_BYTES_MAX,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """`url` is a folder (a path or `file:///path`, created if missing), or `s3://`, `gs://` or
        `az://bucket/prefix`.

        `options` are obstore's settings for a bucket, such as `aws_endpoint` or `azure_storage_account_name`, and
        override the environment. An endpoint may use plain HTTP. This uses the disk, but not the network. Raises
        StorageFailed if the folder cannot be created, or the URL or an option is invalid.
        """
        assert picture_bytes_max > 0
        assert deadline_s > 0
        self._picture_bytes_max = picture_bytes_max
        self._deadline_s = deadline_s
        # obstore's coroutines finish in a thread of its own that takes the interpreter's lock; if the interpreter exits
        # at that moment, the process aborts. Its blocking calls do not have this problem.
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE_MAX, "pictures")
        self._folder: PictureFolder | None = None
        self._store: ObjectStore
        scheme = _scheme(url)
        self.is_folder = scheme == "file"
        if self.is_folder:
            self._folder = PictureFolder(_folder_path(url))
            self.place = f"the folder {self._folder.path}"
            self._store = _opened(self._folder)
        else:
            self.place = _bucket_place(url)
            self._store = _bucket(scheme, url, self.place, options, deadline_s)

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        """Store a picture durably, replacing one of the same name. Raises StorageFailed."""
        assert _NAME.fullmatch(name)
        assert 0 < len(data) <= self._picture_bytes_max

        def act() -> None:
            if self._folder is not None:
                self._folder.write(name, data)
            else:
                # In one piece: an aborted multipart upload would leave parts that nothing lists or deletes.
                attributes = {"Content-Type": content_type}
                obstore.put(self._store, name, data, attributes=attributes, use_multipart=False)

        await self._try("written to", act)

    async def size_bytes(self, name: str) -> int | None:
        """The size of a picture, or None if there is none of that name. Raises StorageFailed."""
        assert _NAME.fullmatch(name)

        def act() -> int | None:
            try:
                return obstore.head(self._store, name)["size"]
            except FileNotFoundError:
                # An answer to HEAD has no body that distinguishes a missing bucket from a missing picture.
                self._read_unless_gone(name, 0, 1)
                return None

        return await self._try("looked up in", act)

    async def read(self, name: str, start: int, end: int) -> bytes:
        """The bytes from `start` up to but not including `end`.

        Raises PictureGone if there is none of that name, and StorageFailed if the picture is shorter than `end`.
        """
        assert _NAME.fullmatch(name)
        assert 0 <= start < end <= self._picture_bytes_max
        data = await self._try("read from", lambda: self._read_unless_gone(name, start, end))
        if data is None:
            raise PictureGone(f"There is no picture of that name in {self.place}")
        if len(data) != end - start:
            raise StorageFailed(f"A picture in {self.place} is shorter than expected: was it truncated or changed?")
        return data

    async def delete(self, *names: str) -> None:
        """Delete pictures durably, as far as they are there. Raises StorageFailed."""
        assert all(_NAME.fullmatch(name) for name in names)

        def act() -> None:
            for name in names:
                if self._folder is not None:
                    self._folder.remove(name)
                else:
                    self._delete_object(name)

        await self._try("deleted from", act)

    async def check(self) -> None:
        """Write, read and delete a small object. Raises StorageFailed."""
        name = f"00/00check-{secrets.token_hex(16)}.png"
        data = secrets.token_bytes(32)
        await self.put(name, data, "image/png")
        try:
            if await self.read(name, 0, len(data)) != data:
                raise StorageFailed(f"Data written to {self.place} reads back differently")
        finally:
            await self.delete(name)

    def _delete_object(self, name: str) -> None:
        try:
            obstore.delete(self._store, name)
        except FileNotFoundError as error:
            self._require_place(error)

    def _read_unless_gone(self, name: str, start: int, end: int) -> bytes | None:
        try:
            return bytes(obstore.get_range(self._store, name, start=start, end=end))
        except FileNotFoundError as error:
            self._require_place(error)
            return None

    def _require_place(self, missing: FileNotFoundError) -> None:
        """Raise an error if the whole folder or bucket is missing, not just one picture in it."""
        if self._folder is not None:
            self._folder.require_folder()
        elif any(code in str(missing) for code in _NO_BUCKET):
            raise missing

    async def _try(self, done: str, act: Callable[[], _T]) -> _T:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._attempt(done, act)
        except TimeoutError:
            raise self._failed(done, f"no answer within {self._deadline_s:g} seconds") from None

    async def _attempt(self, done: str, act: Callable[[], _T]) -> _T:
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, act)
            except (OSError, BaseError) as error:
                reason, lasting = folder_diagnosis(error) if self.is_folder else _bucket_diagnosis(error)
            if lasting or attempt == _ATTEMPTS_MAX:
                break
            chance = random.random() / 2  # noqa: S311 - not used for security
            await asyncio.sleep(_BACK_OFF_S * 2 ** (attempt - 1) * (1 + chance))
        raise self._failed(done, reason)

    def _failed(self, done: str, reason: str) -> StorageFailed:
        return StorageFailed(f"A picture cannot be {done} {self.place}: {reason}")


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
            raise StorageFailed("The storage URL of a folder must be file:///path, with nothing after the path")
    if not url or "\0" in str(path):
        raise StorageFailed("The storage URL names no folder")
    return path.absolute()


def _opened(folder: PictureFolder) -> ObjectStore:
    try:
        return folder.open()
    except (OSError, BaseError) as error:
        reason, _ = folder_diagnosis(error)
        raise StorageFailed(f"The folder {folder.path} cannot be used for pictures: {reason}") from None


def _bucket_place(url: str) -> str:
    parts = urlsplit(url)
    # Without the parts before an @ and after a ?, which may be secret.
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _bucket(scheme: str, url: str, place: str, options: Mapping[str, str], deadline_s: float) -> ObjectStore:
    if scheme not in _BUCKETS:
        raise StorageFailed(f"A storage URL must start with file://, s3://, gs:// or az://, not with {scheme}://")
    if place != url or not urlsplit(url).netloc:
        raise StorageFailed(f"The storage URL must be {scheme}://bucket or {scheme}://bucket/prefix, and nothing more")
    for option in options:
        if not _OPTION.fullmatch(option) or _CLIENT_OPTION.fullmatch(option):
            raise StorageFailed(f"{option!r} is not a storage option; those start with aws_, google_ or azure_")
    # Objects are deleted one at a time, and not every S3-compatible server supports bulk deletion.
    defaults = {"aws_disable_bulk_delete": "true"} if scheme == "s3" else {}
    try:
        return _connected(scheme, url, {**defaults, **options}, deadline_s)
    except _UNUSABLE as error:
        _refuse_certificates(place)
        raise StorageFailed(
            f"{place} cannot be used for pictures ({type(error).__name__}): check the URL, the storage options and "
            "the credentials in the environment (Azure needs AZURE_STORAGE_ACCOUNT_NAME)"
        ) from None


def _refuse_certificates(place: str) -> None:
    """Raise StorageFailed if the cause is that the environment's certificates cannot be used."""
    try:
        check_certificates()
    except NetworkUnusable as error:
        raise StorageFailed(f"{place} cannot be used for pictures: {error}") from None


def _connected(scheme: str, url: str, config: Mapping[str, str], deadline_s: float) -> ObjectStore:
    request_s = f"{max(1, round(deadline_s / 2))}s"
    arguments: dict[str, Any] = {
        "config": dict(config),
        # The operator chooses the endpoint's scheme; refusing http here would only hide why it fails.
        "client_options": {"allow_http": True, "timeout": request_s},
        # `_attempt` retries, in the same way for every kind of store.
        "retry_config": {"max_retries": 0},
    }
    return _BUCKETS[scheme].from_url(url, **arguments)


def _bucket_diagnosis(error: OSError | BaseError) -> tuple[str, bool]:
    """Why a bucket failed, in words for the operator, and whether a retry is pointless."""
    if isinstance(error, PermissionDeniedError):
        return f"access is denied{_answer(error)}; check what these credentials may do", True
    if isinstance(error, UnauthenticatedError):
        return f"the credentials are not accepted{_answer(error)}", True
    if isinstance(error, FileNotFoundError):
        return f"there is no such bucket{_answer(error)}", True
    answer = _answer(error)
    if answer.startswith(" (416"):
        return "it is shorter than expected: was it truncated or changed?", True
    # 401, 403 and 404 from the bucket have their own classes, above; these come from services that issue credentials.
    if not answer or answer.startswith((" (401", " (403", " (404")):
        proxies = "".join(f", and the proxy that {name} names" for name in proxy_variables())
        return (
            f"it cannot be reached, or no credentials were found{answer}; check the endpoint and the credentials{proxies}",
            False,
        )
    return f"it answered with an error{answer}", False


def _answer(error: BaseException) -> str:
    text = str(error)
    found = (re.search(r"status code: (\d{3})\b", text), re.search(r"<Code>([A-Za-z0-9.]{1,64})</Code>", text))
    words = " ".join(match[1] for match in found if match)
    return f" ({words})" if words else ""
