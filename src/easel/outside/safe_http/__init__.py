"""HTTP requests to URLs that come from untrusted users."""
