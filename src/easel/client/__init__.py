"""The Python client of the HTTP API. Programs import its names from `easel`."""
