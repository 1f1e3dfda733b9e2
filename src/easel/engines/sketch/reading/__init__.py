"""From a prompt to a wish."""
