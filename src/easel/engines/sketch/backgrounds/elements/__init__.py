"""Parts that several backgrounds share."""
