"""The data folder's secret: lost, empty, damaged, readable by others, or replaced by the operator."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from easel.outside.data_folder import secret_file
from easel.outside.data_folder.secret_file import SecretUnusable
from easel.outside.postgres import private_postgres
from tests.support.data_folders import prepared_folder
from tests.support.running_service import Service

LOOKERS = (["credits", "show"], ["keys", "create", "--account", "new"], ["serve", "--port", "0"])


@pytest.fixture(scope="module")
def idle() -> Iterator[Service]:
    """A used installation whose service is stopped."""
    with prepared_folder() as folder:
        service = Service(folder)
        service.cli("keys", "create", "--account", "first")
        yield service


@pytest.fixture
def secret(idle: Service) -> Iterator[Path]:
    """The installation's secret file, restored after the test."""
    file = idle.data_dir / "secret"
    text = file.read_text()
    # Its database runs meanwhile, so that not every command starts one.
    with private_postgres.attach(idle.data_dir):
        yield file
    file.write_text(text)
    file.chmod(0o600)


def says(service: Service, *arguments: str) -> str:
    refused = service.cli(*arguments, check=False)
    assert refused.returncode == 78, refused.stdout + refused.stderr
    return refused.stderr


@pytest.mark.parametrize(
    ("ill", "what"),
    [
        (lambda file: file.unlink(), "is missing, but the database next to it needs it"),
        (lambda file: file.write_text(""), "is empty"),
        (lambda file: file.write_text(" \n"), "is empty"),
        (lambda file: file.write_text(file.read_text()[:20]), "is truncated"),
        (lambda file: file.write_bytes(b"\xff" * 64), "is not a text file"),
        (lambda file: file.write_text(secrets.token_hex(32)), "is not the secret that this database was set up with"),
    ],
    ids=["lost", "emptied", "blank", "cut", "no text", "another"],
)
def test_an_unusable_secret_file_is_reported_and_never_replaced(
    idle: Service, secret: Path, ill: object, what: str
) -> None:
    assert callable(ill)
    ill(secret)
    before = secret.read_bytes() if secret.exists() else None
    # Three commands for what happens most; they read the secret at one place.
    for command in LOOKERS if what.startswith("is missing") else LOOKERS[:1]:
        said = says(idle, *command)
        assert said.startswith(f"Error: The secret {secret} {what}")
        assert "EASEL_SECRET is" not in said
        assert re.search(
            r"(restore the file|put the file back) from a backup[;,] .*`easel secret reset`", said, re.IGNORECASE
        )
        assert "Traceback" not in said
    asked = idle.cli("doctor", check=False)
    assert asked.returncode == 78
    assert re.search(
        rf"^PROBLEM +secret +The secret {re.escape(str(secret))} {re.escape(what)}", asked.stdout, re.MULTILINE
    )
    assert (secret.read_bytes() if secret.exists() else None) == before


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_secret_readable_by_others_is_reported_with_the_command_to_fix_it(
    idle: Service, secret: Path, mode: int
) -> None:
    secret.chmod(mode)
    assert f"`chmod 600 {secret}`" in str(secret_file.exposure(idle.data_dir))
    if mode == 0o644:
        asked = idle.cli("doctor", check=False)
        assert asked.returncode == 78
        assert (
            f"(mode 0{mode:o}), who could forge links and callbacks with it: run `chmod 600 {secret}`" in asked.stdout
        )
        refused = idle.cli("web", "--host", "192.0.2.1", check=False).stderr
        assert f"Warning: The secret {secret} can be read by other users" in refused


def test_a_folder_in_place_of_the_secret_is_reported(idle: Service, secret: Path) -> None:
    aside = secret.rename(secret.with_name("aside"))
    secret.mkdir(mode=0o755)
    try:
        said = says(idle, "credits", "show")
        assert said.startswith(f"Error: The secret {secret} is a folder: restore the file from a backup, or")
        assert secret_file.exposure(idle.data_dir) is None
    finally:
        secret.rmdir()
        aside.rename(secret)


def test_a_secret_readable_by_its_owner_only_is_accepted(idle: Service, secret: Path) -> None:
    assert secret_file.exposure(idle.data_dir) is None
    assert f"secret     in {secret}, readable by its owner only" in idle.cli("doctor").stdout


def test_an_exposed_secret_in_an_operators_own_file_is_reported_as_such(
    idle: Service, secret: Path, tmp_path: Path
) -> None:
    file = tmp_path / "theirs"
    file.write_text("s" * 64)
    other = Service(idle.data_dir, secret_file=str(file))
    assert "The secret in the file that EASEL_SECRET_FILE names is not the secret that" in says(
        other, "credits", "show"
    )
    file.write_text("s")
    assert "Error: EASEL_SECRET_FILE contains a secret that is shorter than" in says(other, "credits", "show")


def test_a_new_folder_gets_its_secret_before_its_database(tmp_path: Path) -> None:
    made = secret_file.ensure_secret(tmp_path / "new" / "folder")
    assert secret_file.ensure_secret(tmp_path / "new" / "folder") == made
    (tmp_path / "old" / "postgres" / "data").mkdir(parents=True)
    with pytest.raises(SecretUnusable, match="is missing"):
        secret_file.ensure_secret(tmp_path / "old")
    assert not (tmp_path / "old" / "secret").exists()


def test_replacing_the_secret_requires_confirmation_and_lists_the_consequences(idle: Service) -> None:
    file = idle.data_dir / "secret"
    before = file.read_text()
    with private_postgres.attach(idle.data_dir):
        assert "Easel is running on" in says(idle, "secret", "reset", "--yes")
    assert idle.cli("secret", "reset", check=False).returncode == 1  # nobody answers the question
    assert file.read_text() == before
    file.unlink()
    told = idle.cli("secret", "reset", "--yes").stdout
    assert "API keys ended: 1." in told
    again = idle.cli("secret", "reset", "--yes").stdout
    [kept] = idle.data_dir.glob("secret.replaced-*")
    assert f"The old secret is in {kept}" in again
    assert kept.stat().st_mode & 0o077 == 0
    assert len({before, kept.read_text(), file.read_text()}) == 3
    assert "revoked" in idle.cli("keys", "list").stdout
    assert "secret_reset" in idle.cli("audit").stdout
    idle.cli("keys", "create", "--account", "first")


def test_only_an_installations_secret_can_be_replaced(tmp_path: Path) -> None:
    nowhere = Service(tmp_path / "nowhere")
    for answered in ([], ["--yes"]):
        said = says(nowhere, "secret", "reset", *answered)  # before anything is asked
        assert said.startswith("Error: There is no data folder")
    assert not (tmp_path / "nowhere").exists()
