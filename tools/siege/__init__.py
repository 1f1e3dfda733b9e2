"""A siege: hostile clients, all on loopback, while a good client measures how it is served."""
