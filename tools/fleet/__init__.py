"""`make fleet`: a thousand simulated workers on one PostgreSQL."""
