"""The rules of the service: standard library only, no I/O, no clock, no randomness of their own."""
