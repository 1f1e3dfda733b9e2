"""HTTP: who asks, what for, and the exact bytes of the answer."""
