"""The data folder: its secret, its lock, and whether it can be used."""
