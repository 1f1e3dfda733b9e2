"""Everything outside of this process, except SQL and engines: files, storage, HTTP, PostgreSQL's server, judges."""
