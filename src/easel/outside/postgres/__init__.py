"""The private PostgreSQL: its programs, its server, and whoever attaches to it."""
