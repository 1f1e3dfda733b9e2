"""HTTP requests to addresses that strangers named."""
