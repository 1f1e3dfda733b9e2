"""The settings file: its names and values, what takes precedence, and what is refused."""

from pathlib import Path

import pytest

from easel.assembly import configuration
from easel.commands.terminal import config_option
from easel.settings import config_file, explanation, settings
from easel.settings.settings import SettingsWrong

SECRET = "s" * 40


def written(folder: Path, text: str) -> dict[str, str]:
    """The environment that names a file with this content."""
    file = folder / "easel.toml"
    file.write_text(text)
    return {"EASEL_CONFIG": str(file), "EASEL_DATA_DIR": "/x"}


def test_values_have_the_types_of_toml(tmp_path: Path) -> None:
    environ = written(
        tmp_path,
        'port = 8123\nengine = "blank"\nprice_credits = 0.5\nremote_check = false\ncors_origins = ["https://a", "https://b"]',
    )
    read = settings.read(environ)
    assert (read.port, read.engine, str(read.price_credits), read.remote_check) == (8123, "blank", "0.5", False)
    assert read.cors_origin_list == ["https://a", "https://b"]


def test_a_setting_can_have_the_name_of_its_variable(tmp_path: Path) -> None:
    assert settings.read(written(tmp_path, "EASEL_PORT = 8123")).port == 8123


def test_the_environment_and_options_take_precedence(tmp_path: Path) -> None:
    environ = written(tmp_path, "port = 1\nworkers = 2\nhost = '::1'")
    read = settings.read(environ | {"EASEL_PORT": "3", "EASEL_WORKERS": ""}, host="::")
    assert (read.port, read.workers, read.host) == (3, 2, "::")


def test_a_secret_of_the_environment_replaces_the_file_that_the_settings_file_names(tmp_path: Path) -> None:
    environ = written(tmp_path, 'secret_file = "/nowhere"')
    read = settings.read(environ | {"EASEL_SECRET": SECRET}).secret
    assert read is not None
    assert read.text == SECRET


def test_the_clients_settings_are_read_from_it_too(tmp_path: Path) -> None:
    environ = written(tmp_path, 'url = "http://a:1"\napi_key = "k"\nport = 1')
    read = settings.read_client(environ)
    assert (read.url, read.api_key) == ("http://a:1", "k")
    assert settings.read(environ).port == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prot = 1", "sets prot, which is not a setting of Easel. Did you mean port?"),
        ("xyzzy = 1", "sets xyzzy, which is not a setting of Easel."),
        ("config = 'x'", "sets config, which is not a setting of Easel."),
        ("port = 1\nEASEL_PORT = 2", "sets EASEL_PORT twice: remove one of the two."),
        ("port = soon", 'Write text in quotes, such as host = "::".'),
        ("port = 1979-05-27", "port must be text, a number, true, false or a list of texts."),
        ("[network]\nport = 1", "sets network, which is not a setting of Easel."),
        ("port = 70000", "EASEL_PORT must be a whole number from 0 to 65535."),
    ],
)
def test_what_the_file_cannot_say_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsWrong) as refused:
        settings.read(written(tmp_path, text))
    assert str(refused.value).endswith(sentence)


def test_a_wrong_value_is_reported_with_the_file_that_sets_it(tmp_path: Path) -> None:
    environ = written(tmp_path, 'port = 70000\nengine = "remote"\nurl = "x"')
    file = environ["EASEL_CONFIG"]
    with pytest.raises(SettingsWrong) as refused:
        settings.read(environ)
    assert str(refused.value) == f"{file}: EASEL_PORT must be a whole number from 0 to 65535."
    with pytest.raises(SettingsWrong) as refused:
        configuration.read_settings(environ | {"EASEL_PORT": "1"})
    assert str(refused.value).startswith(f"{file}: EASEL_REMOTE_URL is required with EASEL_ENGINE=remote")
    with pytest.raises(SettingsWrong) as refused:
        settings.read_client(environ)
    assert str(refused.value).startswith(f"{file}: EASEL_URL ")


def test_a_wrong_value_of_the_environment_is_reported_without_the_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsWrong) as refused:
        settings.read(written(tmp_path, "port = 1") | {"EASEL_PORT": "70000"})
    assert str(refused.value) == "EASEL_PORT must be a whole number from 0 to 65535."


@pytest.mark.parametrize(
    "text", [f"secret = '{SECRET}'", "database_url = 'postgresql://me:hunter2@db/x'", "api_key = 'k'"]
)
def test_a_file_whose_secrets_everybody_can_read_is_reported(tmp_path: Path, text: str) -> None:
    environ = written(tmp_path, f"port = 1\n{text}")
    file = Path(environ["EASEL_CONFIG"])
    file.chmod(0o644)
    told = explanation.exposed_file(environ)
    assert told == (
        f"The settings file {file} can be read by every user of this machine (mode 0644), and contains "
        f"EASEL_{text.split()[0].upper()}: run `chmod o= {file}`."
    )
    file.chmod(0o640)
    assert explanation.exposed_file(environ) is None


def test_a_file_without_secrets_may_be_read_by_everybody(tmp_path: Path) -> None:
    environ = written(tmp_path, "port = 1\ndatabase_url = 'postgresql://db/x'\nsecret_file = '/run/secret'")
    Path(environ["EASEL_CONFIG"]).chmod(0o644)
    assert explanation.exposed_file(environ) is None
    assert explanation.exposed_file({}) is None


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/nowhere/easel.toml", "cannot be read (No such file or directory): check the path."),
        ("/", "cannot be read (Is a directory): check the path."),
        ("/dev/zero", "has more than 1048576 bytes."),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(path: str, sentence: str) -> None:
    with pytest.raises(SettingsWrong) as refused:
        settings.read({"EASEL_CONFIG": path, "EASEL_DATA_DIR": "/x"})
    assert str(refused.value) == f"EASEL_CONFIG names {path}, which {sentence}"


def test_the_sources_of_values_are_told_and_secrets_are_masked(tmp_path: Path) -> None:
    environ = written(
        tmp_path, f"port = 1\nsecret = '{SECRET}'\nhost = 'x'\ndatabase_url = 'postgresql://me:hunter2@db/x'"
    )
    told = explanation.explain(
        environ | {"EASEL_HOST": "::", "EASEL_API_KEY": "sk-1", "EASEL_REMOTE_API_KEY_FILE": "/k"}
    )
    found = {each.name: (each.value, each.source) for each in told}
    assert found["EASEL_PORT"] == ("1", "file")
    assert found["EASEL_HOST"] == ("::", "environment")
    assert found["EASEL_WEB_PROCESSES"] == ("1", "default")
    assert found["EASEL_SECRET"] == ("********", "file")
    assert found["EASEL_API_KEY"] == ("********", "environment")
    assert found["EASEL_DATABASE_URL"] == ("postgresql://me:********@db/x", "file")
    assert found["EASEL_REMOTE_API_KEY_FILE"] == ("/k", "environment")
    assert {each.name.removesuffix("_FILE") for each in told} == {
        name.removesuffix("_FILE") for name in settings.known_variables()
    }


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("DATABASE_URL", "postgresql://me:p@ss/w:d@db:1/x", "postgresql://me:********@db:1/x"),
        ("DATABASE_URL", "postgresql://me:hunter2@db:1,db2:1/x", "postgresql://me:********@db:1,db2:1/x"),
        (
            "DATABASE_URL",
            "postgresql://db/x?user=me&password=hunter2&port=1",
            "postgresql://db/x?user=me&password=********&port=1",
        ),
        ("STORAGE_URL", "az://x?sas_token=a,b", "az://x?sas_token=********"),
        ("REMOTE_URL", "http://a:1,http://b:2", "http://a:1,http://b:2"),
    ],
)
def test_passwords_in_addresses_are_masked_wherever_they_are(name: str, value: str, shown: str) -> None:
    told = {each.name: each.value for each in explanation.explain({f"EASEL_{name}": value})}
    assert told[f"EASEL_{name}"] == shown


def test_the_option_sets_the_variable_that_is_read() -> None:
    assert config_option.VARIABLE == config_file.VARIABLE
