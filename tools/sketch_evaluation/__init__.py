"""Measures how well the sketch engine understands prompts, by what its composed scenes show."""
