"""The load generator: one process on raw sockets, which does one plan and says what it found."""
