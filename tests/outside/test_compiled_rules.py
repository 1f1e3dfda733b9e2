"""The file with the terms of all languages as they are searched for."""

from easel.outside.judges import compiled_rules, rulebook


def test_the_committed_file_has_what_the_files_of_all_languages_say() -> None:
    """If this fails, run `make rules`."""
    text = (rulebook.FOLDER / compiled_rules.FILE).read_text(encoding="utf-8")
    found = compiled_rules.read(text, rulebook.digest())
    assert found is not None, "it was made from other files"
    assert found == rulebook.parsed()
    assert text == compiled_rules.written(found, rulebook.digest())


def test_a_file_made_from_other_files_is_not_used() -> None:
    text = (rulebook.FOLDER / compiled_rules.FILE).read_text(encoding="utf-8")
    assert compiled_rules.read(text, "0" * 64) is None
