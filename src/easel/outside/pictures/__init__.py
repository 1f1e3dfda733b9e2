"""The storage of pictures: a folder or a bucket."""
