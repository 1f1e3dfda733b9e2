"""`make rules`: writes the terms of moderation as they are searched for, from the TOML files of all languages."""

from easel.outside.judges import compiled_rules, rulebook


def main() -> None:
    """Write the file."""
    text = compiled_rules.written(rulebook.parsed(), rulebook.digest())
    (rulebook.FOLDER / compiled_rules.FILE).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
