"""Z-Image-Turbo in PyTorch."""
