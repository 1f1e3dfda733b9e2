"""Plain colour, for benchmarks and tests."""
