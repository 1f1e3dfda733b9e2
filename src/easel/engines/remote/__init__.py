"""An image server that draws."""
