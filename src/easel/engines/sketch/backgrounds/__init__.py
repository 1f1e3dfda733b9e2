"""A module for each place."""
