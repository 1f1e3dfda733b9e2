"""The backup file: a tar that is written and read from front to back, member by member, in one order.

    manifest.json   what the backup is of, and what restoring it needs
    secret          the installation's secret, where its data folder keeps it
    database.dump   as pg_dump's custom format has it
    pictures/…      every picture, by its name in storage
    complete.json   how many pictures came and how many were gone, and a digest of everything before

Any tar can list and unpack it. This reader takes only plain files, of these names, in this order, within bounds; it
never writes to a path that a file names. A file that was cut off or altered anywhere before its last member is
refused, at the latest when that member is reached: what was read before then must not have been put to use.

It does not hide anything: whoever has the file has the secret and every prompt. It does not make a dump harmless that
an enemy wrote, since a dump is a program.
"""

import contextlib
import hashlib
import os
import secrets
import tarfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal

import msgspec
from msgspec import Meta

from easel.domain import link
from easel.domain.errors import EaselError
from easel.domain.picture import object_name
from easel.domain.secret import SECRET_CHARACTERS_MIN
from easel.outside.pictures import PICTURE_BYTES_MAX

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SECRET: Final = "secret"  # noqa: S105 - a file's name
DUMP: Final = "database.dump"
PICTURES: Final = "pictures/"
ENDING: Final = "complete.json"

MANIFEST_BYTES_MAX: Final = 1024 * 1024
SECRET_BYTES_MAX: Final = 4096
DUMP_BYTES_MAX: Final = 2**40
_CHUNK_BYTES: Final = 1024 * 1024
_NOT_NEGATIVE: Final = Meta(ge=0)


class BackupUnusable(EaselError):
    """The backup cannot be made, or not be restored; the message is a sentence for the operator."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of. Counts are those of the database's snapshot."""

    format: Literal[1]
    easel: str
    """The version of Easel that made it."""
    created_at: datetime
    postgres_major: Annotated[int, _NOT_NEGATIVE]
    migrations: list[str]
    """The steps of the schema that the database had taken."""
    secret_fingerprint: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
    has_secret: bool
    has_pictures: bool
    """False where they stayed in a bucket."""
    dump_bytes: Annotated[int, Meta(ge=1, le=DUMP_BYTES_MAX)]
    dump_sha256: str
    accounts: Annotated[int, _NOT_NEGATIVE]
    tasks: Annotated[int, _NOT_NEGATIVE]
    unfinished: Annotated[int, _NOT_NEGATIVE]
    pictures: Annotated[int, _NOT_NEGATIVE]
    """How many its tasks show, 0 without pictures. Those that are deleted meanwhile do not come into the backup."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The last member. `pictures_gone` were deleted between the snapshot and their turn."""

    pictures: Annotated[int, _NOT_NEGATIVE]
    pictures_gone: Annotated[int, _NOT_NEGATIVE]
    sha256: str


class _Mark(msgspec.Struct, frozen=True):
    """What every format's manifest has."""

    kind: Literal["easel backup"]
    format: int


class BackupWriter:
    """Writes the members of one backup, in the order of the methods."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._made_at = 0

    def manifest(self, manifest: Manifest) -> None:
        """Begin."""
        self._made_at = int(manifest.created_at.timestamp())
        fields = {"kind": "easel backup", **msgspec.to_builtins(manifest)}
        self._add(MANIFEST, msgspec.json.format(msgspec.json.encode(fields)) + b"\n")

    def secret(self, text: str) -> None:
        """Add the secret that the data folder keeps."""
        self._add(SECRET, text.encode())

    def dump(self, dump: BinaryIO, size_bytes: int) -> None:
        """Add the database, read from where `dump` stands."""
        self._begin(DUMP, size_bytes)
        left = size_bytes
        while left:
            chunk = dump.read(min(left, _CHUNK_BYTES))
            assert chunk, "it has the size that was said"
            self._write(chunk)
            left -= len(chunk)
        self._pad(size_bytes)

    def picture(self, name: str, data: bytes) -> None:
        """Add a picture under its name in storage."""
        self._add(PICTURES + name, data)

    def end(self, pictures: int, pictures_gone: int) -> None:
        """Say that this was all."""
        ending = Ending(pictures=pictures, pictures_gone=pictures_gone, sha256=self._digest.hexdigest())
        self._add(ENDING, msgspec.json.encode(ending))
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))

    def _add(self, name: str, data: bytes) -> None:
        self._begin(name, len(data))
        self._write(data)
        self._pad(len(data))

    def _begin(self, name: str, size_bytes: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size_bytes, 0o600, self._made_at
        self._file.write(member.tobuf(tarfile.GNU_FORMAT))
        self._digest.update(_heading(name, size_bytes))

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)

    def _pad(self, size_bytes: int) -> None:
        self._file.write(bytes(-size_bytes % tarfile.BLOCKSIZE))


class BackupReader:
    """Reads the members of one backup, in the order of the methods. All raise BackupUnusable."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def manifest(self) -> Manifest:
        """What the backup is of; a file that is no backup, or a newer Easel's, is refused here."""
        try:
            data = self._member(MANIFEST, MANIFEST_BYTES_MAX)
        except BackupUnusable:
            raise _no_backup() from None
        try:
            mark = msgspec.json.decode(data, type=_Mark)
            if mark.format > FORMAT:
                raise BackupUnusable("This backup was made by a newer Easel: restore it with that version.")
            return msgspec.json.decode(data, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _no_backup() from None

    def secret(self) -> str:
        """The secret, where the manifest says that there is one."""
        text = self._member(SECRET, SECRET_BYTES_MAX).decode(errors="replace")
        if len(text) < SECRET_CHARACTERS_MIN:
            raise _damaged()
        return text

    def dump(self, manifest: Manifest, to: BinaryIO) -> None:
        """Copy the database's dump. It is what was written: a damaged one is refused before anybody runs it."""
        if self._header() != (DUMP, manifest.dump_bytes):
            raise _damaged()
        digest = hashlib.sha256()
        left = manifest.dump_bytes
        while left:
            chunk = self._exactly(min(left, _CHUNK_BYTES))
            digest.update(chunk)
            self._digest.update(chunk)
            to.write(chunk)
            left -= len(chunk)
        self._skip_padding(manifest.dump_bytes)
        if digest.hexdigest() != manifest.dump_sha256:
            raise _damaged()

    def pictures(self, count_max: int) -> Iterator[tuple[str, bytes]]:
        """Each picture's name, without a folder, and its bytes; at the end nothing is left, and all was as written."""
        count = 0
        while True:
            digest_before = self._digest.hexdigest()
            name, size_bytes = self._header()
            if name == ENDING:
                break
            picture_name = name.rpartition("/")[2]
            is_expected = link.is_picture_name(picture_name) and name == PICTURES + object_name(picture_name)
            if not is_expected or not 0 < size_bytes <= PICTURE_BYTES_MAX or count >= count_max:
                raise _damaged()
            count += 1
            yield picture_name, self._content(size_bytes)
        self._ending(size_bytes, digest_before, count)

    def _ending(self, size_bytes: int, digest: str, pictures: int) -> None:
        if size_bytes > MANIFEST_BYTES_MAX:
            raise _damaged()
        try:
            self.ending = msgspec.json.decode(self._content(size_bytes), type=Ending)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _damaged() from None
        if self.ending.sha256 != digest or self.ending.pictures != pictures:
            raise _damaged()
        self._exactly(2 * tarfile.BLOCKSIZE)

    def _member(self, name: str, bytes_max: int) -> bytes:
        found, size_bytes = self._header()
        if found != name or size_bytes > bytes_max:
            raise _damaged()
        return self._content(size_bytes)

    def _header(self) -> tuple[str, int]:
        """The next member's name and size."""
        block = self._exactly(tarfile.BLOCKSIZE)
        try:
            member = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError):
            raise _damaged() from None
        # Anything but a plain file is nothing that we wrote: a link, a folder, a header that renames what follows.
        if member.type != tarfile.REGTYPE or member.size < 0:
            raise _damaged()
        self._digest.update(_heading(member.name, member.size))
        return member.name, member.size

    def _content(self, size_bytes: int) -> bytes:
        data = self._exactly(size_bytes)
        self._digest.update(data)
        self._skip_padding(size_bytes)
        return data

    def _skip_padding(self, size_bytes: int) -> None:
        self._exactly(-size_bytes % tarfile.BLOCKSIZE)

    def _exactly(self, size_bytes: int) -> bytes:
        try:
            data = self._file.read(size_bytes)
        except OSError as error:
            raise BackupUnusable(f"The backup cannot be read: {error.strerror}.") from None
        if len(data) != size_bytes:
            raise BackupUnusable("The backup is cut off: it ends before it is complete.")
        return data


@contextlib.contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file that only its owner may read, and that gets its name when it is whole and on the disk."""
    if path.exists() or path.is_symlink():
        raise BackupUnusable(f"There is a file {path} already: name another, or move it away.")
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.unfinished")
    with _told(path):
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            aside.rename(path)
        finally:
            aside.unlink(missing_ok=True)
        _flush_folder(path.parent)


@contextlib.contextmanager
def streamed(output: BinaryIO) -> Iterator[BinaryIO]:
    """A file that is open already, such as standard output, for a backup that somebody else keeps."""
    if output.isatty():
        raise BackupUnusable("A backup is no text for a terminal: send it to a file or a program.")
    with _told("standard output"):
        yield output
        output.flush()


@contextlib.contextmanager
def _told(place: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupUnusable(f"The backup cannot be written to {place}: {error.strerror or error}.") from None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file at `path`, to be read from its beginning."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BackupUnusable(f"The backup {path} cannot be read: {error.strerror}.") from None
    with file:
        yield file


def _heading(name: str, size_bytes: int) -> bytes:
    """What the digest takes of a member besides its content."""
    return f"{name}\0{size_bytes}\0".encode()


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _no_backup() -> BackupUnusable:
    return BackupUnusable("This is no backup of Easel: `easel backup FILE` makes one.")


def _damaged() -> BackupUnusable:
    return BackupUnusable("The backup is damaged: it is not as it was written. Take another.")
