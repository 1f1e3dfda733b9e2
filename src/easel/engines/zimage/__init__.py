"""The real model, in PyTorch."""
