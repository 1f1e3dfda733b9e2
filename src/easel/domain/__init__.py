"""The rules of the service: standard library only, no I/O. Time and randomness are arguments."""
