"""The remote engine's settings: valid values, the sentences for invalid ones, and `easel doctor`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from easel.assembly.configuration import read_settings
from easel.assembly.engines import devices, engine
from easel.settings.settings import Settings, SettingsWrong
from tests.support import image_server
from tests.support.image_server import ImageServer, draws, says
from tests.support.ports import free_port
from tests.support.running_service import Service

KEY: Final = "sk-remote-0123456789"
URL: Final = "http://127.0.0.1:30000"


def read(**environ: str) -> Settings:
    return read_settings(
        {"EASEL_DATA_DIR": "/var/tmp/easel", **{f"EASEL_{name}": value for name, value in environ.items()}}
    )


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with image_server.image_server(draws()) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("REMOTE_URL", url) for url in (
            "127.0.0.1:30000", "ftp://x", "http://", "http://x/", "http://u:p@x", "http://x y", "http://:80", "http://x:0",
            "http://x:65536", "http://x/v1?key=1", "http://x/#a", "http://[::1", "http://ü",
            ",", "http://x,", "http://x,y", "http://x,http://x/v1", ",".join(f"http://x:{port}" for port in range(1, 18)),
        )),
        ("REMOTE_API_KEY", "two words"), ("REMOTE_API_KEY", "kéy"), ("REMOTE_API_KEY", "a\nx-other: b"), ("REMOTE_API_KEY", "x" * 5000),
        ("REMOTE_API_KEY_FILE", "/nowhere/at/all"),
        ("REMOTE_STEPS", "-1"), ("REMOTE_STEPS", "201"), ("REMOTE_STEPS", "few"),
        ("REMOTE_TIMEOUT_S", "-7"), ("REMOTE_TIMEOUT_S", "3601"),
        ("REMOTE_DRAWS_AT_ONCE", "-7"), ("REMOTE_DRAWS_AT_ONCE", "65"),
        ("REMOTE_MODEL", "x" * 501),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_in_one_sentence_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsWrong) as refused:
        read(**{name: value})
    sentence = str(refused.value)
    assert sentence.startswith(f"EASEL_{name} ")
    assert sentence.endswith(".")
    assert name.endswith("_FILE") or value not in sentence.replace(URL, "")


@pytest.mark.parametrize("url", [URL, "https://images.your-domain.com/base/v1", "http://[::1]:30000", "http://gpu-1"])
def test_addresses_of_image_servers_are_accepted(url: str) -> None:
    assert read(REMOTE_URL=url, ENGINE="remote").remote_url == url


def test_several_addresses_are_separated_by_commas() -> None:
    assert read(REMOTE_URL="HTTP://a:1, http://b/v1").remote_urls == ("http://a:1", "http://b/v1")
    assert read(ENGINE="blank").remote_urls == ()


def test_the_remote_engine_needs_an_address() -> None:
    with pytest.raises(SettingsWrong, match=r"^EASEL_REMOTE_URL is required with EASEL_ENGINE=remote: .*\.$"):
        read(ENGINE="remote")
    assert read(ENGINE="blank").remote_url is None


def test_the_key_can_be_in_a_file_and_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    taken = read(REMOTE_API_KEY_FILE=str(file))
    assert taken.remote_api_key == KEY
    assert read(REMOTE_API_KEY=KEY).remote_api_key == KEY
    assert KEY not in f"{taken} {taken!r}"
    with pytest.raises(SettingsWrong, match="are both set"):
        read(REMOTE_API_KEY=KEY, REMOTE_API_KEY_FILE=str(file))
    file.write_text(" \n")
    with pytest.raises(SettingsWrong, match=r"^EASEL_REMOTE_API_KEY_FILE names .*, which is empty"):
        read(REMOTE_API_KEY_FILE=str(file))


def test_the_engine_is_built_from_the_settings() -> None:
    made = engine(read(ENGINE="remote", REMOTE_URL=URL, REMOTE_DRAWS_AT_ONCE="7"))
    assert (made.name, made.draws_at_once, made.tasks_at_once) == ("remote", 7, 14)
    assert devices(read(ENGINE="remote", REMOTE_URL=URL)) == ["auto"]
    several = engine(read(ENGINE="remote", REMOTE_URL="http://a,http://b,http://c"))
    assert (several.draws_at_once, several.tasks_at_once) == (12, 24)


def test_doctor_reports_the_state_of_the_image_server(server: ImageServer, data_dir: Path) -> None:
    service = Service(data_dir, engine="remote", remote_url=server.url, remote_api_key=KEY)
    well = service.cli("doctor")
    assert (
        f"ok       engine     remote: {server.url} answers; pictures will be drawn by Tongyi-MAI/Z-Image-Turbo\n"
        in well.stdout
    )
    server.lists = says(401, {})
    refused = service.cli("doctor", check=False)
    assert refused.returncode != 0
    assert "PROBLEM  engine     remote: " in refused.stdout
    assert "check EASEL_REMOTE_API_KEY" in refused.stdout
    assert KEY not in well.stdout + refused.stdout + refused.stderr


def test_doctor_reports_an_unreachable_image_server(data_dir: Path) -> None:
    service = Service(data_dir, engine="remote", remote_url=f"http://127.0.0.1:{free_port()}")
    asked = service.cli("doctor", check=False)
    assert "cannot be reached (ConnectError" in asked.stdout
