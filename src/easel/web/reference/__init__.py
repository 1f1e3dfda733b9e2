"""The API reference: `openapi.yaml`, written by hand, and the files that `python -m tools.api_page` makes from it."""
