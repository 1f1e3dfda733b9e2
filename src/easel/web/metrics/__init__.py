"""Metrics for Prometheus: the page, its endpoint behind a key, and a port of its own."""
