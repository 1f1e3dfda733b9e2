"""The command line, one file per command: reads options, calls one thing, prints what came of it."""
