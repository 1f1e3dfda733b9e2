"""Settings: allowed values, errors about wrong values, and hidden secrets."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.assembly.configuration import read_settings
from easel.settings import settings, types
from easel.settings.description import descriptions
from easel.settings.settings import ClientSettings, Settings, SettingsWrong

SECRET: Final = "0123456789abcdef" * 4
HIDDEN: Final = "hunter2hunter2hunter2hunter2hunter2"
DATA: Final = {"EASEL_DATA_DIR": "/var/tmp/easel"}
TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]))

WRONG: Final = {
    "CALLBACK_ALLOW_HOSTS": ["*", "*.corp.internal", "https://hooks.corp", "hooks.corp:0", "hooks.corp:65536", "169.254.169.254",
                             "hooks.corp/path", "10.0.0.0/8", "a b"],
    "CALLBACK_DENY_NETWORKS": ["everything", "203.0.113.1/24", "203.0.113.0/33"],
    "CALLBACK_CA_FILE": ["/nowhere/ca.pem", "/dev/null", "/tmp/a\0b"],
    "CALLBACK_NAMESERVERS": ["ns.your-domain.com", "9.9.9.9:0", "9.9.9.9:65536", "::1:53:x", "9.9.9", "[9.9.9.9"],
    "PORT": ["abc", "-1", "65536", "8000.5", "0x10", "8000 9000", "99999999999999999999"],
    "WEB_PROCESSES": ["0", "-1", "65", "1000", "two", "1.5"],
    "DATABASE_CONNECTIONS": ["1", "0", "-8", "101", "many"],
    "DATABASE_URL": [
        f"mysql://u:{HIDDEN}@h/d", HIDDEN, f"u:{HIDDEN}@h/d", f"http://u:{HIDDEN}@h", f"postgresql://u:{HIDDEN}@[::1/d",
        f"postgresql://u:{HIDDEN}@h:notaport/d", "postgresql://h:0/d", "postgresql://a:1,b:65536/d", "postgresql:///d?port=x",
    ],
    "PUBLIC_URL": ["images.your-domain.com", "ftp://x", "https://", "https://x/", "https://x?y", "https://u:p@x", "https://x y",
                   "https://x/\n/y", "https://ü", "https://x/?", "https://x#y", "https://x:99999", "https://x:0", "https://x:", "http://:80",
                   "https://[::1", "https://[1.2.3.4]"],
    "HOST": ["http://127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "a host", "::1::", "[]", "x" * 64, "127.0.0.1/8"],
    "SECRET": [HIDDEN[:31], "x"],
    "SECRET_FILE": ["/nowhere/at/all", "/"],
    "ENGINE": ["gpu", "sdxl", "nano", "sketch,blank"],
    "MODEL_ALIASES": ["gpt image", "a:b", "@cf/x", "-x", "x" * 65, "gpt-image-1; dall-e-3"],
    "WORKERS": ["0", "-1", "65", "two", "1.5"],
    "DEVICE": ["tpu", "cuda:", "cuda:x", "cuda:100", "gpu0", "cpu cuda"],
    "GPU_MEMORY": ["high", "16", "lowest"],
    "LORA": ["style", "style.bin", ".safetensors", "a.safetensors:", "a.safetensors:much", "a.safetensors:nan", "a.safetensors:11",
             "a.safetensors:0.5:1", "a.safetensors 0.5"],
    "PRICE_CREDITS": ["abc", "-1", "-0.000001", "0.0000001", "nan", "snan", "inf", "1000000.1", "1e30", "1e99999999999999", "1,5"],
    "FIRST_CREDITS": ["abc", "-1", "nan", "-inf", "1000001", "0.1234567"],
    "PROVENANCE": ["maybe", "yes", "on", "2"],
    "STEP_TIMEOUT_S": ["0", "-1", "86401", "soon"],
    "DRAIN_TIMEOUT_S": ["-1", "86401", "soon"],
    "BLANK_STEP_S": ["-1", "61", "nan", "inf", "soon"],
    "LOG_FORMAT": ["xml", "json,text"],
    "LOG_LEVEL": ["trace", "critical"],
}  # fmt: skip


def read(**environ: str) -> Settings:
    return read_settings({**DATA, **{f"EASEL_{name}": value for name, value in environ.items()}})


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_a_wrong_value_is_rejected_with_one_sentence_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsWrong) as refused:
        read(**{name: value})
    sentence = str(refused.value)
    assert sentence.startswith(f"EASEL_{name} ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert HIDDEN[:20] not in sentence
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ENGINE", "sdxl", "EASEL_ENGINE must be one of blank, remote, sdcpp, sketch, zimage."),
        ("ENGINE", "Nano", "EASEL_ENGINE can no longer be nano: Easel Nano was removed, and sketch replaces it."),
        ("PORT", "abc", "EASEL_PORT must be a whole number from 0 to 65535."),
        ("LOG_LEVEL", "loud", "EASEL_LOG_LEVEL must be one of debug, error, info, warning."),
        ("PROVENANCE", "yes", "EASEL_PROVENANCE must be true or false."),
        ("DEVICE", "gpu0", "EASEL_DEVICE must be auto, cpu, mps, cuda, or one GPU such as cuda:0."),
        ("WORKERS", "0", "EASEL_WORKERS must be a whole number from 1 to 64."),
        ("BLANK_STEP_S", "soon", "EASEL_BLANK_STEP_S must be a number from 0 to 60."),
        ("PRICE_CREDITS", "abc", "EASEL_PRICE_CREDITS must be a number, such as 0.026."),
    ],
)
def test_the_error_about_a_wrong_value_says_what_is_allowed(name: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsWrong) as refused:
        read(**{name: value})
    assert str(refused.value) == sentence


@pytest.mark.parametrize("name", [*Settings.__struct_fields__])
def test_the_allowed_values_of_every_setting_have_words(name: str) -> None:
    assert types.admitted(Settings, name)


def test_choices_may_be_in_upper_or_lower_case() -> None:
    taken = read(LOG_LEVEL="INFO", LOG_FORMAT="JSON", ENGINE="Blank", DEVICE="CPU", PROVENANCE="FALSE")
    assert (taken.log_level, taken.log_format, taken.engine, taken.device) == ("info", "json", "blank", "cpu")
    assert taken.provenance is False
    assert read(REMOTE_MODEL="Tongyi-MAI/Z").remote_model == "Tongyi-MAI/Z"


def test_without_variables_every_setting_has_its_default() -> None:
    given_nothing = settings.read({"HOME": "/home/someone", "XDG_DATA_HOME": "/srv/data"})
    assert given_nothing == settings.read({"XDG_DATA_HOME": "/srv/data", "EASEL_PORT": " ", "EASEL_SECRET": ""})
    assert (given_nothing.host, given_nothing.port) == ("127.0.0.1", 8000)
    assert given_nothing.data_dir == Path("/var/lib/easel" if os.geteuid() == 0 else "/srv/data/easel")
    assert given_nothing.pictures_url == str(given_nothing.data_dir / "pictures")
    assert given_nothing.price_microcredits == 26_000
    assert given_nothing.first_microcredits == 100_000_000
    assert given_nothing.secret is None


def test_given_values_are_used() -> None:
    taken = read(
        HOST="::1", PORT="0", DATABASE_URL="postgresql://u@h:5432/d", DATABASE_CONNECTIONS="2", STORAGE_URL="s3://bucket/x",
        PUBLIC_URL="https://images.your-domain.com:8443/base", SECRET=SECRET, ENGINE="zimage", MODEL="/weights",
        WORKERS="64", DEVICE="cuda:15", PRICE_CREDITS="0", FIRST_CREDITS="12.5", PROVENANCE="false", STEP_TIMEOUT_S="1",
        DRAIN_TIMEOUT_S="0", BLANK_STEP_S="0.5", LOG_FORMAT="json", LOG_LEVEL="debug", POSTGRES_BIN="/usr/lib/pg",
        POSTGRES_USER="easel",
    )  # fmt: skip
    assert (taken.host, taken.port, taken.workers, taken.device) == ("::1", 0, 64, "cuda:15")
    assert taken.pictures_url == "s3://bucket/x"
    assert taken.secret is not None
    assert taken.secret.text == SECRET
    assert (taken.price_credits, taken.first_microcredits) == (Decimal(0), 12_500_000)
    assert taken.provenance is False
    assert taken.postgres_bin == Path("/usr/lib/pg")


def test_the_destinations_of_callbacks_are_read_from_lists() -> None:
    taken = read(
        CALLBACK_ALLOW_HOSTS="Hooks.corp:8443, 10.0.0.5,[fd00::5]:444", CALLBACK_DENY_NETWORKS="203.0.113.0/24, 2001:db8::1",
        CALLBACK_NAMESERVERS="9.9.9.9,127.0.0.1:5353, [::1]:53, 2620:fe::fe",
    )  # fmt: skip
    assert taken.callback_destinations.allowed == {("hooks.corp", 8443), ("10.0.0.5", 443), ("fd00::5", 444)}
    assert [str(network) for network in taken.callback_destinations.denied] == ["203.0.113.0/24", "2001:db8::1/128"]
    assert taken.callback_nameserver_list == ["9.9.9.9", "127.0.0.1:5353", "[::1]:53", "2620:fe::fe"]


@pytest.mark.parametrize(
    ("text", "file", "scale"),
    [
        ("/loras/ink.safetensors", "/loras/ink.safetensors", 1.0),
        ("/loras/ink.safetensors:0.8", "/loras/ink.safetensors", 0.8),
        ("/loras/v1:2/ink.safetensors:-10", "/loras/v1:2/ink.safetensors", -10.0),
        ("ink.safetensors:0", "ink.safetensors", 0.0),
    ],
)
def test_a_lora_is_a_file_with_an_optional_scale(text: str, file: str, scale: float) -> None:
    assert read().lora_file_and_scale is None
    assert read(ENGINE="zimage", LORA=text).lora_file_and_scale == (Path(file), scale)


def test_a_lora_is_rejected_with_another_engine() -> None:
    with pytest.raises(SettingsWrong, match=r"^EASEL_LORA is for the zimage engine: "):
        read(ENGINE="blank", LORA="ink.safetensors")


@pytest.mark.parametrize(
    ("data_dir", "given", "kept"),
    [("data", {}, "data/compiled"), ("data", {"TORCHINDUCTOR_CACHE_DIR": "own"}, "own"), ("/proc/nowhere", {}, None)],
)
def test_compiled_code_is_kept_in_the_folder_of_the_operator_or_else_in_the_data_folder(
    tmp_path: Path, data_dir: str, given: dict[str, str], kept: str | None
) -> None:
    script = """
from easel.runtime import process_environment
from easel.settings import settings
process_environment.keep_compiled(settings.read().compiled_folder)
print(process_environment.copy().get("TORCHINDUCTOR_CACHE_DIR"))
"""
    given = {name: str(tmp_path / value) for name, value in given.items()}
    environ = {"PYTHONPATH": ":".join(sys.path), "EASEL_DATA_DIR": str(tmp_path / data_dir), **given}
    run = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(None if kept is None else tmp_path / kept)


def test_options_take_precedence_over_the_environment_unless_they_are_none() -> None:
    environ = {**DATA, "EASEL_PORT": "9000", "EASEL_HOST": "0.0.0.0"}
    taken = settings.read(environ, port=7, host=None, data_dir=Path("elsewhere"))
    assert (taken.port, taken.host) == (7, "0.0.0.0")
    assert taken.data_dir == Path("elsewhere").absolute()
    with pytest.raises(SettingsWrong, match=r"^--port must be a whole number"):
        settings.read(DATA, port=70_000)


def test_a_tilde_is_expanded_to_the_home_folder() -> None:
    home = Path("~").expanduser()
    taken = read(DATA_DIR="~/data", POSTGRES_BIN="~/pg", MODERATION_CLASSIFIER="~/judge", STORAGE_URL="~/pictures",
                 ENGINE="zimage", MODEL="~/weights", LORA="~/ink.safetensors")  # fmt: skip
    assert taken.lora_file_and_scale == (home / "ink.safetensors", 1.0)
    assert (taken.data_dir, taken.postgres_bin) == (home / "data", home / "pg")
    assert (taken.moderation_classifier, taken.pictures_url) == (home / "judge", str(home / "pictures"))
    assert taken.model == str(home / "weights")


def test_a_secret_can_be_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    taken = read(SECRET_FILE=str(file))
    assert taken.secret is not None
    assert taken.secret.text == SECRET


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\x00", HIDDEN[:31].encode()])
def test_a_file_without_a_secret_is_rejected(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(SettingsWrong, match=r"^EASEL_SECRET"):
        read(SECRET_FILE=str(file))


def test_a_secret_may_be_set_in_one_place_only(tmp_path: Path) -> None:
    with pytest.raises(SettingsWrong, match="are both set"):
        read(SECRET=SECRET, SECRET_FILE=str(tmp_path))


def test_the_representation_of_settings_hides_secrets() -> None:
    shown = read(SECRET=SECRET, DATABASE_URL=f"postgresql://u:{HIDDEN}@h/d")
    assert SECRET not in f"{shown!r} {shown} {shown.secret!r} {shown.secret}"
    assert HIDDEN not in f"{shown!r} {shown}"
    client = settings.read_client({"EASEL_API_KEY": HIDDEN})
    assert HIDDEN not in f"{client!r} {client}"


def test_the_client_reads_its_own_settings() -> None:
    taken = settings.read_client({"EASEL_URL": "https://images.your-domain.com", "EASEL_API_KEY": " key "})
    assert (taken.url, taken.api_key) == ("https://images.your-domain.com", "key")
    assert settings.read_client({}, url="http://127.0.0.1:9").url == "http://127.0.0.1:9"
    for written in ("http://a:1/", "http://a:1/v1", "http://a:1/v1/", "http://a:1/openai/v1", "http://a:1//"):
        assert settings.read_client({"EASEL_URL": written}).url == "http://a:1"
    assert settings.read_client({"EASEL_URL": "https://a/easel/v1"}).url == "https://a/easel"
    for wrong in ("127.0.0.1:8000", "ws://x", "https://", "/v1"):
        with pytest.raises(SettingsWrong, match=r"^EASEL_URL "):
            settings.read_client({"EASEL_URL": wrong})


@given(st.dictionaries(st.sampled_from([f"EASEL_{name}" for name in WRONG]), TEXT, max_size=3))
def test_no_environment_causes_any_other_error(environ: dict[str, str]) -> None:
    try:
        assert isinstance(settings.read({**DATA, **environ}), Settings)
    except SettingsWrong as wrong:
        named = str(wrong).split(" ", 1)[0]
        assert named.startswith("EASEL_")


def test_the_built_in_engine_is_the_default() -> None:
    assert read().engine == "sketch"
    assert read(ENGINE="zimage", MODEL="/models/Z-Image-Turbo").model == "/models/Z-Image-Turbo"


@pytest.mark.parametrize("engine", [{}, {"ENGINE": "blank"}, {"ENGINE": "remote", "REMOTE_URL": "http://10.0.0.1"}])
def test_weights_are_rejected_with_another_engine(engine: dict[str, str]) -> None:
    with pytest.raises(SettingsWrong, match=r"^EASEL_MODEL .* EASEL_ENGINE=zimage as well, or unset EASEL_MODEL\.$"):
        read(MODEL="/models/Z-Image-Turbo", **engine)


@pytest.mark.parametrize("kind", [Settings, ClientSettings])
def test_every_setting_describes_itself_in_sentences(kind: type[Settings] | type[ClientSettings]) -> None:
    described = descriptions(kind)
    assert list(described) == list(kind.__struct_fields__)
    for name, description in described.items():
        assert description.text.endswith("."), name
        assert description.summary[0].isupper() or description.summary.startswith("`"), name
        assert len(description.summary) <= 200, name
