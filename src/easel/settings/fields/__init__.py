"""Every setting with its type, its default, its limits and its description.

The field `x` is the environment variable `EASEL_X`. Each class adds its settings to those of the class that it extends;
`settings.py` extends the last one. Options of commands and docs/reference/settings.md are made from the descriptions.
"""
