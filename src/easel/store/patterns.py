"""Regular expressions of PostgreSQL that find a text in upper or lower case, for its operator `~*`."""


def in_any_case(text: str) -> str:
    """A regular expression that matches only this text, in upper or lower case.

    The database's locale may know no case beyond ASCII, so other letters are given in both.
    """
    return "".join(_letter(character) for character in text)


def _letter(character: str) -> str:
    if character.isascii():
        return character if character.isalnum() else f"\\{character}"
    cases = {case for case in (character, character.lower(), character.upper()) if len(case) == 1}
    return character if len(cases) == 1 else f"[{''.join(sorted(cases))}]"
