"""The command line, one file per command or group. A command reads its options, runs one action and prints the
result."""
