"""A module for each style."""
