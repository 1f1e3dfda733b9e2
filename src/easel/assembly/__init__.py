"""Builds each process's objects from the settings. Only this package chooses concrete classes.

Each part has a module of its own, so that a command imports only what it needs.
"""
