"""The rules that judge a prompt."""
