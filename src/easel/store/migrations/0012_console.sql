-- The console's sessions, and the links that begin one. Only digests of their tokens are stored. A session counts as long
-- as its key does.

CREATE TABLE console_sessions (
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),
    api_key_id bigint NOT NULL REFERENCES api_keys (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX console_sessions_key ON console_sessions (api_key_id, created_at DESC);
CREATE INDEX console_sessions_expiry ON console_sessions (expires_at);

-- A link is deleted when it is used.
CREATE TABLE console_links (
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),
    api_key_id bigint NOT NULL REFERENCES api_keys (id),
    expires_at timestamptz NOT NULL
);
CREATE INDEX console_links_expiry ON console_links (expires_at);
