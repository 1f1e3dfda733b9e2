"""The format of backups: a tar archive that is written and read from front to back, with its members in this order.

    manifest.json   what the backup contains, and what restoring it needs
    secret          the installation's secret, if its data folder keeps it
    seal.json       a seal of everything before it, including the dump's digest
    database.dump   in pg_dump's custom format
    pictures/…      every picture, by its name in storage
    complete.json   how many pictures are here and how many were gone, with a digest and a seal of everything before it

Any tar program can list and unpack it. This reader accepts only plain files with these names, in this order, of bounded
size, and never writes to a path that the archive names. A truncated or altered archive is refused no later than at its
last member, so nothing that was read from it may be used before then.

The seals show that somebody with the key wrote the backup; the first one is checked before the dump is run. Backups of
format 1 have none.

The archive is not encrypted: anyone who has it has the secret and every prompt. A dump from an attacker is dangerous,
because a dump is a program.
"""

import hashlib
import os
import tarfile
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, BinaryIO, Final, Literal

import msgspec
from msgspec import Meta

from easel.domain import link
from easel.domain.errors import Unusable
from easel.domain.picture import object_name
from easel.domain.secret import SECRET_CHARACTERS_MIN
from easel.outside import durable_file
from easel.outside.backup.seal import SealedWith, SealKey
from easel.outside.pictures.storage import PICTURE_BYTES_MAX

FORMAT: Final = 2
MANIFEST: Final = "manifest.json"
SECRET: Final = "secret"  # noqa: S105 - a file's name
SEAL: Final = "seal.json"
DUMP: Final = "database.dump"
PICTURES: Final = "pictures/"
ENDING: Final = "complete.json"

MANIFEST_BYTES_MAX: Final = 1024 * 1024
SECRET_BYTES_MAX: Final = 4096
DUMP_BYTES_MAX: Final = 2**40
_CHUNK_BYTES: Final = 1024 * 1024
# JSON that is nested too deeply raises RecursionError.
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOT_NEGATIVE: Final = Meta(ge=0)


class BackupUnusable(Unusable):
    """The backup cannot be made or restored."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup contains. The counts are those of the database's snapshot."""

    format: Literal[1, 2]
    easel: Annotated[str, Meta(pattern=r"^[0-9A-Za-z.+-]{1,64}$")]
    """The version of Easel that made the backup."""
    created_at: datetime
    postgres_major: Annotated[int, _NOT_NEGATIVE]
    migrations: list[Annotated[str, Meta(max_length=200)]]
    """The migrations that were applied to the database."""
    secret_fingerprint: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
    has_secret: bool
    has_pictures: bool
    """False if they stayed in a bucket."""
    dump_bytes: Annotated[int, Meta(ge=1, le=DUMP_BYTES_MAX)]
    dump_sha256: str
    accounts: Annotated[int, _NOT_NEGATIVE]
    tasks: Annotated[int, _NOT_NEGATIVE]
    unfinished: Annotated[int, _NOT_NEGATIVE]
    pictures: Annotated[int, _NOT_NEGATIVE]
    """How many pictures the tasks show; 0 if the backup has none. Pictures deleted while it is made are left out."""
    sealed_with: SealedWith | None = None
    """None in format 1."""
    salt: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")] | None = None
    """The salt of a passphrase."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The last member. `pictures_gone` counts those deleted after the snapshot and before they were copied."""

    pictures: Annotated[int, _NOT_NEGATIVE]
    pictures_gone: Annotated[int, _NOT_NEGATIVE]
    sha256: str
    seal: str = ""


class _Sealed(msgspec.Struct, frozen=True):
    seal: str


class _Mark(msgspec.Struct, frozen=True):
    """The fields that manifests of all formats have."""

    kind: Literal["easel backup"]
    format: int


class BackupWriter:
    """Writes the members of one backup. Call the methods in the order of the members.

    Without a key the backup is not sealed. With `is_secret_last`, the secret's place is filled with zeros until
    everything else is on the disk.
    """

    def __init__(self, file: BinaryIO, key: SealKey | None = None, *, is_secret_last: bool = False) -> None:
        self._file = file
        self._key = key
        self._is_secret_last = is_secret_last
        self._left_out: tuple[int, bytes] | None = None
        self._digest = hashlib.sha256()
        self._made_at = 0

    def manifest(self, manifest: Manifest) -> None:
        """Write the manifest, which begins the archive."""
        self._made_at = int(manifest.created_at.timestamp())
        fields = {"kind": "easel backup", **msgspec.to_builtins(manifest)}
        self._add(MANIFEST, msgspec.json.format(msgspec.json.encode(fields)) + b"\n")

    def secret(self, text: str) -> None:
        """Add the secret of the data folder."""
        data = text.encode()
        self._begin(SECRET, len(data))
        if self._is_secret_last:
            self._left_out = (self._file.tell(), data)
            self._file.write(bytes(len(data)))
            self._digest.update(data)
        else:
            self._write(data)
        self._pad(len(data))

    def seal(self) -> None:
        """Seal everything so far, if there is a key."""
        if self._key is not None:
            self._add(SEAL, msgspec.json.encode(_Sealed(self._key.seal(SEAL, self._digest.digest()))))

    def dump(self, dump: BinaryIO, size_bytes: int) -> None:
        """Add the database's dump, read from the current position of `dump`."""
        self._begin(DUMP, size_bytes)
        left = size_bytes
        while left:
            chunk = dump.read(min(left, _CHUNK_BYTES))
            assert chunk, "the dump is as long as announced"
            self._write(chunk)
            left -= len(chunk)
        self._pad(size_bytes)

    def picture(self, name: str, data: bytes) -> None:
        """Add a picture by its name in storage."""
        self._add(PICTURES + name, data)

    def end(self, pictures: int, pictures_gone: int) -> None:
        """Complete the archive."""
        ending = Ending(pictures=pictures, pictures_gone=pictures_gone, sha256=self._digest.hexdigest())
        if self._key is not None:
            ending = msgspec.structs.replace(ending, seal=self._key.seal(ENDING, _sum(ending)))
        self._add(ENDING, msgspec.json.encode(ending))
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))
        if self._left_out is not None:
            self._fill_in(*self._left_out)

    def _fill_in(self, position: int, data: bytes) -> None:
        durable_file.flush(self._file)
        self._file.seek(position)
        self._file.write(data)
        self._file.seek(0, os.SEEK_END)

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
    """Reads the members of one backup. Call the methods in the order of the members. All raise BackupUnusable."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._key: SealKey | None = None

    def manifest(self) -> Manifest:
        """Read the manifest. Files that are not backups, and backups of a newer Easel, are refused here."""
        try:
            data = self._member(MANIFEST, MANIFEST_BYTES_MAX)
        except BackupUnusable:
            raise _not_a_backup() from None
        try:
            mark = msgspec.json.decode(data, type=_Mark)
            if mark.format > FORMAT:
                raise BackupUnusable("This backup was made by a newer Easel: restore it with that version.")
            return msgspec.json.decode(data, type=Manifest)
        except _UNREADABLE:
            raise _not_a_backup() from None

    def secret(self) -> str:
        """Read the secret, if the manifest says that there is one."""
        text = self._member(SECRET, SECRET_BYTES_MAX).decode(errors="replace")
        if len(text) < SECRET_CHARACTERS_MIN:
            raise _damaged()
        return text

    def seal(self, key: SealKey | None) -> None:
        """Check everything read so far against the key, and later the rest. None skips these checks."""
        self._key = key
        digest = self._digest.digest()
        try:
            sealed = msgspec.json.decode(self._member(SEAL, MANIFEST_BYTES_MAX), type=_Sealed)
        except _UNREADABLE:
            raise _damaged() from None
        if key is not None and not key.is_seal(SEAL, digest, sealed.seal):
            raise BackupUnusable(
                f"The backup's seal does not match this {key.sealed_with}: the backup was altered, belongs to another "
                f"installation, or was sealed with another {key.sealed_with}. Nothing in it was used."
            )

    def dump(self, manifest: Manifest, to: BinaryIO) -> None:
        """Copy the database's dump to `to`, and check its digest, so that a damaged dump is never run."""
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
        """Yield the name, without folder, and bytes of each picture, then check the digest and seal of the whole
        archive."""
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
        except _UNREADABLE:
            raise _damaged() from None
        if self._key is not None and not self._key.is_seal(ENDING, _sum(self.ending), self.ending.seal):
            raise _damaged()
        if self.ending.sha256 != digest or self.ending.pictures != pictures:
            raise _damaged()
        self._exactly(2 * tarfile.BLOCKSIZE)

    def _member(self, name: str, bytes_max: int) -> bytes:
        found, size_bytes = self._header()
        if found != name or size_bytes > bytes_max:
            raise _damaged()
        return self._content(size_bytes)

    def _header(self) -> tuple[str, int]:
        """Read the name and size of the next member."""
        block = self._exactly(tarfile.BLOCKSIZE)
        try:
            member = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError):
            raise _damaged() from None
        # The writer makes only plain files: no links, folders or headers that rename what follows.
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
            raise BackupUnusable("The backup is truncated: it ends before it is complete.")
        return data


def _heading(name: str, size_bytes: int) -> bytes:
    """A member's name and size, as the digest covers them."""
    return f"{name}\0{size_bytes}\0".encode()


def _sum(ending: Ending) -> bytes:
    """What the last seal covers."""
    return f"{ending.sha256} {ending.pictures} {ending.pictures_gone}".encode()


def _not_a_backup() -> BackupUnusable:
    return BackupUnusable("This is not a backup of Easel: `easel backup FILE` makes one.")


def _damaged() -> BackupUnusable:
    return BackupUnusable("The backup is damaged: its content has changed since it was written. Use another one.")
