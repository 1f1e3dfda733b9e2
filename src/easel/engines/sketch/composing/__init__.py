"""From a wish to a scene."""
