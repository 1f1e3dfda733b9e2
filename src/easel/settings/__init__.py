"""The settings: declared, read from the environment, checked."""
