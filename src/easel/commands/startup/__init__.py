"""Starting processes: shared by `easel serve`, `easel web` and `easel worker`."""
