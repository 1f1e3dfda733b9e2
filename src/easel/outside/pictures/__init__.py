"""Where pictures are stored: a folder or a bucket."""
