"""The migrations: one SQL file per step, applied in the order of their names."""
