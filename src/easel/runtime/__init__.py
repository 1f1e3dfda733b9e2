"""What surrounds a process of Easel: its environment, standard streams, interruption, logs and installation."""
