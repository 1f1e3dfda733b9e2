"""Makes Easel Nano, the built-in model, from nothing but a pictorial font; see training/README.md."""
