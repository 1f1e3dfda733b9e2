"""The schema's history, one SQL file a step, applied in the order of their names."""
