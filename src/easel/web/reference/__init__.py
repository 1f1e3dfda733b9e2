"""The API reference: `openapi.yaml`, written by hand, and what `python -m tools.api_page` makes from it."""
