"""The settings: their declaration, how they are read from the environment, and how they are checked."""
