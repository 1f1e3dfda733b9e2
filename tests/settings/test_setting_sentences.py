"""Errors about unusable settings: they name the wrong part and say how to write it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from easel.settings import settings
from easel.settings.names import unknown
from easel.settings.settings import SettingsWrong
from tests.support.command_line import easel, environment

NOBODY = "~no-such-user-at-all"


def told(**environ: str) -> str:
    given = {"EASEL_DATA_DIR": "/var/tmp/easel", **{f"EASEL_{name}": value for name, value in environ.items()}}
    with pytest.raises(SettingsWrong) as refused:
        settings.read(given)
    return str(refused.value)


def told_client(url: str) -> str:
    with pytest.raises(SettingsWrong) as refused:
        settings.read_client({"EASEL_URL": url})
    return str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "DATA_DIR", "POSTGRES_BIN", "CALLBACK_CA_FILE", "MODERATION_CLASSIFIER", "STORAGE_URL", "MODEL", "SECRET_FILE",
        "REMOTE_API_KEY_FILE", "MODERATION_API_KEY_FILE",
    ],
)  # fmt: skip
def test_an_unknown_user_in_a_path_is_reported_for_every_path(name: str) -> None:
    engine = {"ENGINE": "zimage"} if name == "MODEL" else {}
    assert told(**{name: f"{NOBODY}/x"}, **engine) == (
        f"EASEL_{name} names {NOBODY}/x, but there is no such user: write the full path."
    )
    assert told(ENGINE="zimage", LORA=f"{NOBODY}/x.safetensors:0.5") == (
        f"EASEL_LORA names {NOBODY}/x.safetensors, but there is no such user: write the full path."
    )


def test_an_error_names_the_option_that_the_operator_used() -> None:
    ran = easel("doctor", "--data-dir", f"{NOBODY}/x")
    assert f"--data-dir names {NOBODY}/x, but there is no such user" in ran.stdout
    with pytest.raises(
        SettingsWrong, match=r"^--url must look like http://127\.0\.0\.1:8000: its port is not a number"
    ):
        settings.read_client({"EASEL_URL": "http://a"}, url="http://127.0.0.1:99999")
    with pytest.raises(SettingsWrong, match=r"^--host must be a host name or an address"):
        settings.read({"EASEL_DATA_DIR": "/x"}, host="http://127.0.0.1")


def test_a_tilde_in_the_name_of_a_file_is_expanded(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s" * 40)
    ran = easel("doctor", HOME=str(tmp_path), EASEL_SECRET_FILE="~/secret", EASEL_DATA_DIR=str(tmp_path / "data"))
    assert "secret     from the environment" in ran.stdout


def test_an_unreadable_file_is_reported_with_the_reason(tmp_path: Path) -> None:
    assert told(SECRET_FILE="/nowhere/at/all") == (
        "EASEL_SECRET_FILE names /nowhere/at/all, which cannot be read (No such file or directory): check the path."
    )
    assert f"names {tmp_path}, which cannot be read (Is a directory)" in told(SECRET_FILE=str(tmp_path))
    (tmp_path / "binary").write_bytes(b"\xff" * 40)
    assert told(SECRET_FILE=f"{tmp_path}/binary") == (
        f"EASEL_SECRET_FILE names {tmp_path}/binary, which is not a text file: check the path."
    )
    (tmp_path / "empty").touch()
    assert f"names {tmp_path}/empty, which is empty" in told(REMOTE_API_KEY_FILE=f"{tmp_path}/empty")
    for option in ("--secret-file", "--passphrase-file"):
        ran = easel("restore", option, "/nowhere/at/all", "-", EASEL_DATA_DIR=str(tmp_path / "data"))
        assert ran.stderr == (
            f"Error: {option} names /nowhere/at/all, which cannot be read (No such file or directory): check the path.\n"
        )


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("127.0.0.1:8000", "it does not begin with http:// or https://"),
        ("http://127.0.0.1:99999", "its port is not a number from 1 to 65535"),
        ("http://127.0.0.1:0", "its port is not a number from 1 to 65535"),
        ("http://me:pw@127.0.0.1", "it contains a user name or a password"),
        ("http://127.0.0.1/?x=1", "it has a query (?)"),
        ("http://127.0.0.1/#x", "it has a fragment (#)"),
        ("http://:80", "it has no host"),
        ("http://[::1", "its host is not a valid name or address"),
        ("http://a b", "it contains a space or another character that is not printable ASCII"),
    ],
)
def test_the_wrong_part_of_an_address_is_named(url: str, fault: str) -> None:
    assert told_client(url) == f"EASEL_URL must look like http://127.0.0.1:8000: {fault}."
    assert told(PUBLIC_URL=url) == f"EASEL_PUBLIC_URL must look like https://images.your-domain.com: {fault}."
    assert told(REMOTE_URL=url) == f"EASEL_REMOTE_URL must look like http://127.0.0.1:30000: {fault}."
    assert told(MODERATION_URL=url) == f"EASEL_MODERATION_URL must look like https://api.openai.com/v1: {fault}."
    assert told(PUBLIC_URL="https://x/").endswith(": it ends in a slash.")


def test_a_scheme_may_be_in_upper_or_lower_case() -> None:
    assert settings.read_client({"EASEL_URL": "HTTP://a:1/v1"}).url == "http://a:1"
    taken = settings.read({"EASEL_DATA_DIR": "/x", "EASEL_PUBLIC_URL": "HTTPS://Images.Your-Domain.com/Base"})
    assert taken.public_url == "https://Images.Your-Domain.com/Base"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://", "postgres://u@h/d", "postgresql://u:p%40@[::1]:5432/d", "postgresql://a:1,b:2,c/d",
        "postgresql:///d?host=/run/x&port=5433", "postgresql://u@%2Frun%2Fx:5432/d",
    ],
)  # fmt: skip
def test_every_form_of_a_database_url_is_accepted(url: str) -> None:
    assert settings.read({"EASEL_DATA_DIR": "/x", "EASEL_DATABASE_URL": url}).database_url == url


def test_the_port_of_a_database_url_is_checked_before_any_connection() -> None:
    assert "its port is not a number from 1 to 65535" in told(DATABASE_URL="postgresql://u@h:notaport/db")


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0", "::", "[::1]", "fe80::1%eth0", "gpu-1.corp_x", "0"])
def test_a_host_is_an_address_or_a_name(host: str) -> None:
    assert settings.read({"EASEL_DATA_DIR": "/x", "EASEL_HOST": host}).host == host


def test_host_bits_of_a_network_and_a_trailing_slash_of_an_origin_are_reported() -> None:
    assert told(TRUSTED_PROXIES="10.0.0.1/8").endswith(": write 10.0.0.0/8 instead of 10.0.0.1/8.")
    assert told(CORS_ORIGINS="https://a.com/").endswith("without a slash at the end.")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("EASEL_GPU", "EASEL_GPU is not a setting of Easel."),
        ("EASEL_FOO_BAR_BAZ", "EASEL_FOO_BAR_BAZ is not a setting of Easel."),
        ("EASEL_PROT", "EASEL_PROT is not a setting of Easel. Did you mean EASEL_PORT?"),
        ("EASEL_port", "EASEL_port is not a setting of Easel. Did you mean EASEL_PORT?"),
        ("EASEL_SECRETFILE", "EASEL_SECRETFILE is not a setting of Easel. Did you mean EASEL_SECRET_FILE?"),
        ("EASLE_PORT", "EASLE_PORT is not a setting of Easel. Did you mean EASEL_PORT?"),
        ("easel_port", "easel_port is not a setting of Easel. Did you mean EASEL_PORT?"),
    ],
)
def test_a_typo_is_reported_with_the_variable_that_was_meant(name: str, sentence: str) -> None:
    assert settings.unknown_variables({name: "1", "HOME": "/"}) == [sentence]


@pytest.mark.parametrize(
    "name", ["EASEL_PORT", "LEASE_PORT", "EASE_URL", "MY_EASEL_PORT", "easel_theirs", "EASLE_X", "PORT", ""]
)
def test_variables_of_other_programs_are_not_reported(name: str) -> None:
    assert settings.unknown_variables({name: "1"}) == []


def test_names_are_compared_without_their_common_prefix() -> None:
    assert unknown(["EASEL_A"], ["EASEL_PORT"]) == ["EASEL_A is not a setting of Easel."]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take a user id that no user has")
def test_a_user_without_a_home_folder_must_set_the_data_folder() -> None:
    environ = environment()
    environ.pop("HOME", None)
    environ.pop("XDG_DATA_HOME", None)
    script = """
import os
from easel.settings import settings
os.setuid(54321)
try:
    settings.read()
except settings.SettingsWrong as wrong:
    print(wrong)
"""
    ran = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert ran.stdout == ("EASEL_DATA_DIR is required, because this user (id 54321) has no home folder.\n")
