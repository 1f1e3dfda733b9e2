"""Builds each process's objects out of the settings; the only place that picks concrete classes.

A module for each part, so that a command loads only what it needs.
"""
