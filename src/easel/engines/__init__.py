"""Things that draw, and what turns a drawing into the bytes of a file."""
