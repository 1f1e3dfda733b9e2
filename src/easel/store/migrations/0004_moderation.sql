-- Moderation: what was refused or could not be judged, and why; and tasks refused before their price was held.

ALTER TABLE tasks
    -- Created as failed, without a hold and without a job.
    ADD is_refused boolean NOT NULL DEFAULT false,
    -- Whether Easel's rules, and the moderation server, judged its prompt before it was accepted.
    ADD is_judged_by_rules boolean NOT NULL DEFAULT false,
    ADD is_prompt_judged boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT tasks_refused_have_failed CHECK (NOT is_refused OR status = 'failed');

-- A refused task has ended when it is created, and gets its callback all the same.
CREATE TRIGGER tasks_call_back_at_once AFTER INSERT ON tasks
    FOR EACH ROW WHEN (NEW.callback_url IS NOT NULL AND NEW.ended_at IS NOT NULL)
    EXECUTE FUNCTION call_back();

CREATE TABLE moderation_decisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decided_at timestamptz NOT NULL DEFAULT now(),
    account_id bigint NOT NULL REFERENCES accounts (id),
    -- NULL where the request was answered with an error, and no task was created.
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
    -- Keyed, so that nobody can find the prompt by trying candidates.
    prompt_digest bytea NOT NULL CHECK (length(prompt_digest) = 32),
    CHECK ((outcome = 'refused') = (category IS NOT NULL))
);
CREATE INDEX moderation_decisions_time ON moderation_decisions (decided_at DESC);
CREATE INDEX moderation_decisions_account ON moderation_decisions (account_id, decided_at DESC);
CREATE INDEX moderation_decisions_prompt ON moderation_decisions (prompt_digest);
-- A task whose worker died may be judged twice. Its decision is stored once.
CREATE UNIQUE INDEX moderation_decisions_once ON moderation_decisions (task_id, stage, layer, rule);
