"""The data folder, and what guards it."""
