"""Engines, which draw pictures, and the encoding of pictures as files."""
