"""Trains Easel Nano, the built-in model, from a pictorial font alone; see training/README.md."""
