-- Callbacks, their attempts, and the generation of each account's signing secret.

ALTER TABLE accounts
    ADD callback_secret_generation integer NOT NULL DEFAULT 1 CHECK (callback_secret_generation >= 1),
    -- Until then the previous generation signs too.
    ADD callback_secret_overlap_until timestamptz;

-- Earlier versions stored callback URLs without using them. For tasks that have ended it is too late.
UPDATE tasks SET callback_url = NULL WHERE status IN ('completed', 'failed') AND callback_url IS NOT NULL;

CREATE TABLE callbacks (
    task_id text PRIMARY KEY REFERENCES tasks (id),
    account_id bigint NOT NULL REFERENCES accounts (id),
    url text NOT NULL,
    receiver text GENERATED ALWAYS AS (
        regexp_replace(lower(substring(url FROM '^https://([^/?]*)')), ':443$', '')) STORED,
    -- Rendered before the first attempt, so that all attempts send the same.
    body bytea,
    state text NOT NULL DEFAULT 'delivering' CHECK (state IN ('delivering', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    -- Failures since the delivery began, at the task's end or on request.
    failures smallint NOT NULL DEFAULT 0,
    interruptions smallint NOT NULL DEFAULT 0,
    -- A process has claimed it for an attempt. The claim expires at next_attempt_at.
    is_claimed boolean NOT NULL DEFAULT false,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Its task is erased: it is hidden, and is deleted when its delivery has ended.
    is_erased boolean NOT NULL DEFAULT false
);
CREATE INDEX callbacks_erased ON callbacks (task_id) WHERE is_erased;
CREATE INDEX callbacks_due ON callbacks (next_attempt_at) WHERE state = 'delivering';
CREATE INDEX callbacks_account ON callbacks (account_id, created_at DESC);
CREATE INDEX callbacks_created ON callbacks (created_at DESC);

CREATE TABLE callback_attempts (
    task_id text NOT NULL REFERENCES callbacks (task_id) ON DELETE CASCADE,
    number integer NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now(),
    -- NULL while it is under way.
    outcome text,
    status_code smallint,
    duration_ms integer,
    PRIMARY KEY (task_id, number)
);

-- Triggers, so that every version of Easel adds a callback when it ends a task, and erases it with the task.
CREATE FUNCTION call_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO callbacks (task_id, account_id, url) VALUES (NEW.id, NEW.account_id, NEW.callback_url);
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_call_back AFTER UPDATE OF status ON tasks
    FOR EACH ROW WHEN (NEW.callback_url IS NOT NULL AND NEW.ended_at IS NOT NULL AND OLD.ended_at IS NULL)
    EXECUTE FUNCTION call_back();

CREATE FUNCTION erase_callback() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM callbacks WHERE task_id = NEW.id AND state <> 'delivering';
    UPDATE callbacks SET is_erased = true WHERE task_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_erase_callback AFTER UPDATE OF callback_url ON tasks
    FOR EACH ROW WHEN (OLD.callback_url IS NOT NULL AND NEW.callback_url IS NULL)
    EXECUTE FUNCTION erase_callback();
