"""A local picture classifier."""
