"""What can be drawn: the pack of pictures, the own ones, and their traits."""
