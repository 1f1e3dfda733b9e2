-- Moderation: what was refused or could not be judged, and why; and tasks that were refused before they were paid for.

ALTER TABLE tasks
    -- Accepted as failed: it never had a hold, nor a place in the queue.
    ADD is_refused boolean NOT NULL DEFAULT false,
    -- Easel's own rules judged its prompt before it was accepted, and the moderation server.
    ADD is_judged_by_rules boolean NOT NULL DEFAULT false,
    ADD is_prompt_judged boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT tasks_refused_have_failed CHECK (NOT is_refused OR status = 'failed');

-- A refused task has ended when it comes to be, and is told all the same.
CREATE TRIGGER tasks_call_back_at_once AFTER INSERT ON tasks
    FOR EACH ROW WHEN (NEW.callback_url IS NOT NULL AND NEW.ended_at IS NOT NULL)
    EXECUTE FUNCTION call_back();

CREATE TABLE moderation_decisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decided_at timestamptz NOT NULL DEFAULT now(),
    account_id bigint NOT NULL REFERENCES accounts (id),
    -- NULL where the request was answered with an error, and no task came to be.
    task_id text REFERENCES tasks (id),
    stage text NOT NULL CHECK (stage IN ('prompt', 'image')),
    level text NOT NULL CHECK (level IN ('basic', 'strict')),
    outcome text NOT NULL CHECK (outcome IN ('refused', 'unjudged', 'waved_through')),
    layer text NOT NULL,
    -- NULL where the layer could not judge; `rule` then says why not.
    category text,
    rule text NOT NULL,
    rule_version text NOT NULL,
    scores jsonb NOT NULL DEFAULT '{}',
    -- Keyed, so that nobody can find out by trying which prompt it was.
    prompt_digest bytea NOT NULL CHECK (length(prompt_digest) = 32),
    CHECK ((outcome = 'refused') = (category IS NOT NULL))
);
CREATE INDEX moderation_decisions_time ON moderation_decisions (decided_at DESC);
CREATE INDEX moderation_decisions_account ON moderation_decisions (account_id, decided_at DESC);
CREATE INDEX moderation_decisions_prompt ON moderation_decisions (prompt_digest);
-- A task may be judged twice, when its worker died in between, and was decided on once.
CREATE UNIQUE INDEX moderation_decisions_once ON moderation_decisions (task_id, stage, layer, rule);
