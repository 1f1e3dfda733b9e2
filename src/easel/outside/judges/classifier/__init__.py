"""The local picture classifier."""
