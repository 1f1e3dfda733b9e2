"""The actions that the audit log records.

No entry holds a key, a secret or a prompt.
"""

from enum import StrEnum


class Action(StrEnum):
    """What an operator did."""

    ACCOUNT_CREATED = "account_created"
    """Over HTTP. On the command line, an account is created with its first key."""
    KEY_CREATED = "key_created"
    KEY_LIMITED = "key_limited"
    KEY_REVOKED = "key_revoked"
    CALLBACK_SECRET_ROTATED = "callback_secret_rotated"  # noqa: S105 - the name of an action, not a secret
    CONSOLE_LINK_CREATED = "console_link_created"
    CREDITS_GRANTED = "credits_granted"
    CREDITS_ADJUSTED = "credits_adjusted"
    CREDITS_REPAIRED = "credits_repaired"
    GROUP_PRICE_SET = "group_price_set"
    GROUP_ASSIGNED = "group_assigned"
    PRICE_SET = "price_set"
    """The price in the settings, recorded at the first start with it."""
    CALLBACK_REDELIVERED = "callback_redelivered"
    INSTALLATION_RESTORED = "installation_restored"
    SECRET_RESET = "secret_reset"  # noqa: S105 - the name of an action, not a secret
