-- Accounts, keys, tasks, and the money that moves with them.

CREATE TABLE installation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    secret_fingerprint bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    user_group text NOT NULL DEFAULT 'default',
    available_microcredits bigint NOT NULL DEFAULT 0,
    reserved_microcredits bigint NOT NULL DEFAULT 0,
    used_microcredits bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT accounts_available_not_negative CHECK (available_microcredits >= 0),
    CONSTRAINT accounts_reserved_not_negative CHECK (reserved_microcredits >= 0),
    CONSTRAINT accounts_used_not_negative CHECK (used_microcredits >= 0)
);

CREATE TABLE api_keys (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts (id),
    name text NOT NULL CHECK (length(name) <= 64),
    digest bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
    hint text NOT NULL CHECK (length(hint) = 4),
    scopes text[] NOT NULL,
    models text[],
    used_microcredits bigint NOT NULL DEFAULT 0 CHECK (used_microcredits >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_keys_account ON api_keys (account_id);

CREATE TABLE tasks (
    position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    id text PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts (id),
    api_key_id bigint NOT NULL REFERENCES api_keys (id),
    request_id text NOT NULL,
    public_url text NOT NULL,
    user_group text NOT NULL,
    price_microcredits bigint NOT NULL CHECK (price_microcredits >= 0),
    -- The order.
    model text NOT NULL,
    prompt text NOT NULL,
    width_px integer NOT NULL,
    height_px integer NOT NULL,
    seed integer NOT NULL CHECK (seed >= 1),
    nsfw_check boolean NOT NULL,
    callback_url text,
    output_format text NOT NULL,
    -- Its state and result.
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    progress smallint NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    worker_deaths smallint NOT NULL DEFAULT 0,
    estimated_time_s integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz,
    error_code text,
    error_message text,
    engine text,
    draw_ms integer,
    picture_name text,
    picture_bytes integer,
    link_expires_at timestamptz,
    CHECK ((status = 'failed') = (error_code IS NOT NULL)),
    CHECK ((status = 'failed') = (error_message IS NOT NULL)),
    CHECK ((status = 'completed') = (picture_name IS NOT NULL)),
    CHECK ((status = 'completed') = (link_expires_at IS NOT NULL)),
    CHECK ((status IN ('completed', 'failed')) = (ended_at IS NOT NULL))
);
CREATE INDEX tasks_unfinished ON tasks (position) WHERE status IN ('pending', 'processing');
CREATE INDEX tasks_completed ON tasks (ended_at DESC) WHERE status = 'completed';
CREATE INDEX tasks_account ON tasks (account_id, position DESC);

-- An end is final: whatever races, the first one stands.
CREATE FUNCTION forbid_leaving_an_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'task % has ended as % and cannot become %', OLD.id, OLD.status, NEW.status;
END $$;
CREATE TRIGGER tasks_ends_are_final BEFORE UPDATE OF status ON tasks
    FOR EACH ROW WHEN (OLD.status IN ('completed', 'failed') AND NEW.status IS DISTINCT FROM OLD.status)
    EXECUTE FUNCTION forbid_leaving_an_end();

-- One hold per task. It is resolved once, by the update that finds it open.
CREATE TABLE holds (
    task_id text PRIMARY KEY REFERENCES tasks (id),
    account_id bigint NOT NULL REFERENCES accounts (id),
    amount_microcredits bigint NOT NULL CHECK (amount_microcredits >= 0),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'captured', 'released')),
    resolved_at timestamptz,
    CHECK ((state = 'open') = (resolved_at IS NULL))
);
CREATE INDEX holds_open ON holds (account_id) WHERE state = 'open';

-- The ledger is append-only. No two entries of one kind have the same cause.
CREATE TABLE ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts (id),
    kind text NOT NULL CHECK (kind IN ('grant', 'hold', 'capture', 'release')),
    amount_microcredits bigint NOT NULL CHECK (amount_microcredits BETWEEN 1 AND 1000000000000000),
    cause text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (cause, kind)
);
CREATE INDEX ledger_account ON ledger (account_id, id);

CREATE FUNCTION forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only';
END $$;
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE ON ledger
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER ledger_is_never_emptied BEFORE TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

-- This trigger alone updates balances. An overdraft violates accounts_available_not_negative, which rolls its
-- transaction back.
CREATE FUNCTION move_between_books() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts SET
        available_microcredits = available_microcredits + CASE
            WHEN NEW.kind IN ('grant', 'release') THEN NEW.amount_microcredits
            WHEN NEW.kind = 'hold' THEN -NEW.amount_microcredits
            ELSE 0 END,
        reserved_microcredits = reserved_microcredits + CASE
            WHEN NEW.kind = 'hold' THEN NEW.amount_microcredits
            WHEN NEW.kind IN ('capture', 'release') THEN -NEW.amount_microcredits
            ELSE 0 END,
        used_microcredits = used_microcredits + CASE
            WHEN NEW.kind = 'capture' THEN NEW.amount_microcredits
            ELSE 0 END
    WHERE id = NEW.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_moves_balances AFTER INSERT ON ledger
    FOR EACH ROW EXECUTE FUNCTION move_between_books();
