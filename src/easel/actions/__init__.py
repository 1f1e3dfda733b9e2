"""One file per thing that the service does. Only actions open transactions that write."""
