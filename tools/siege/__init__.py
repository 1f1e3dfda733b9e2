"""A siege: hostile clients on loopback attack a service while a good client measures how it is served."""
