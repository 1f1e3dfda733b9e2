"""A PostgreSQL server and a PgBouncer as an operator runs them, for tests and tools."""
