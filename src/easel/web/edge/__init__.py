"""Everything between the socket and the application."""
