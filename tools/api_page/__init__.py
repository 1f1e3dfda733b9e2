"""Makes the API page and the served OpenAPI document from `openapi.yaml`."""
