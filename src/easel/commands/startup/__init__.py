"""What the commands share that start processes."""
