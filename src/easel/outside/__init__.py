"""Everything else beyond the process: pictures in storage, the private database's server, moderation."""
