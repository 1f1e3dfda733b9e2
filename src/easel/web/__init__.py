"""HTTP: authentication, endpoints, and the exact bytes of every answer."""
