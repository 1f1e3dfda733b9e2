"""Programs of the repository that are not a part of the package: the demo, and the checkpoint that it draws with."""
