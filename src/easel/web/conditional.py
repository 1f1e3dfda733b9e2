"""Conditional requests (RFC 9110)."""


def is_known(if_none_match: str, *etags: str) -> bool:
    """Whether the client has one of these versions, by RFC 9110's weak comparison with each of its tags."""
    return any(tag.strip().removeprefix("W/") in {*etags, "*"} for tag in if_none_match.split(","))
