"""The private PostgreSQL: its programs, its server, and the processes that attach to it."""
