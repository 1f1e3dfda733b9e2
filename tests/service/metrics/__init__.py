"""Tests of what processes measure about themselves."""
