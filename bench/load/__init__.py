"""The load generator: one process with raw sockets that runs one plan and reports the results."""
