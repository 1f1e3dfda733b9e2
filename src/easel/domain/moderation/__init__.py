"""Moderation: what is refused, and the rules that judge a prompt."""
