"""A misspelt setting is named even if the settings are refused, because it may be the reason."""

import pytest

from tests.support.command_line import easel

MISSPELT = {"EASEL_ENGINE": "remote", "EASEL_REMOTE_ULR": "http://127.0.0.1:30000"}
SENTENCE = "EASEL_REMOTE_ULR is not a setting of Easel. Did you mean EASEL_REMOTE_URL?"
REFUSAL = "EASEL_REMOTE_URL is required with EASEL_ENGINE=remote"


@pytest.mark.parametrize("command", ["serve", "web", "worker"])
def test_a_process_that_does_not_start_names_the_misspelt_setting(command: str) -> None:
    result = easel(command, **MISSPELT)
    assert result.returncode == 78
    assert result.stderr.startswith(f"Warning: {SENTENCE}\nError: {REFUSAL}")


def test_doctor_names_the_misspelt_setting_and_counts_the_problems() -> None:
    result = easel("doctor", **MISSPELT)
    assert result.returncode == 78
    first, second, last = result.stdout.splitlines()
    assert first == f"PROBLEM  settings   {SENTENCE}"
    assert second.startswith(f"PROBLEM  settings   {REFUSAL}")
    assert last == "2 problems found."
