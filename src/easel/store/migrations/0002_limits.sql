-- Limits of keys, prices of groups, fair shares, idempotency keys, and the expiry of pictures and prompts.

ALTER TABLE api_keys
    ADD credit_limit_microcredits bigint CHECK (credit_limit_microcredits >= 0),
    ADD creates_per_minute integer CHECK (creates_per_minute >= 1),
    ADD unfinished_max integer CHECK (unfinished_max >= 1),
    ADD reserved_microcredits bigint NOT NULL DEFAULT 0 CHECK (reserved_microcredits >= 0),
    ADD unfinished integer NOT NULL DEFAULT 0 CHECK (unfinished >= 0),
    -- The time up to which the key's rate is used (GCRA's theoretical arrival time).
    ADD creates_used_until timestamptz NOT NULL DEFAULT '-infinity',
    ADD CONSTRAINT api_keys_within_limit CHECK (used_microcredits + reserved_microcredits <= credit_limit_microcredits);

UPDATE api_keys SET unfinished = open.tasks, reserved_microcredits = open.amount
FROM (
    SELECT tasks.api_key_id, count(*) AS tasks, sum(holds.amount_microcredits) AS amount
    FROM holds JOIN tasks ON tasks.id = holds.task_id WHERE holds.state = 'open' GROUP BY tasks.api_key_id
) AS open
WHERE open.api_key_id = api_keys.id;

-- A group without a row pays the configured price.
CREATE TABLE prices (
    user_group text NOT NULL CHECK (length(user_group) BETWEEN 1 AND 64),
    model text NOT NULL,
    price_microcredits bigint NOT NULL CHECK (price_microcredits >= 0),
    PRIMARY KEY (user_group, model)
);

ALTER TABLE tasks
    -- Position in the fair order: lower tags are drawn first, equal ones in order of acceptance.
    ADD tag integer NOT NULL DEFAULT 0,
    ADD steps_done smallint NOT NULL DEFAULT 0,
    ADD steps_total smallint NOT NULL DEFAULT 0,
    ADD prompt_erased_at timestamptz,
    -- When the picture stopped being shown, and when storage had deleted it.
    ADD picture_withdrawn_at timestamptz,
    ADD picture_gone_at timestamptz,
    ADD CHECK (picture_gone_at IS NULL OR picture_withdrawn_at IS NOT NULL);

-- The tag of the task whose drawing began last. A sequence, so that no draw waits for another.
CREATE SEQUENCE fair_share_clock AS bigint MINVALUE 0 START 0;

CREATE INDEX tasks_pending ON tasks (account_id, tag) WHERE status = 'pending';
CREATE INDEX tasks_pictures ON tasks (ended_at) WHERE picture_name IS NOT NULL AND picture_gone_at IS NULL;
CREATE INDEX tasks_withdrawn ON tasks (picture_withdrawn_at) WHERE picture_withdrawn_at IS NOT NULL AND picture_gone_at IS NULL;
CREATE INDEX tasks_prompts ON tasks (ended_at) WHERE ended_at IS NOT NULL AND prompt_erased_at IS NULL;
DROP INDEX tasks_unfinished;
DROP INDEX tasks_completed;

-- Idempotency keys: sending an order again with the same key creates no second task.
CREATE TABLE idempotency_keys (
    account_id bigint NOT NULL REFERENCES accounts (id),
    key text NOT NULL CHECK (length(key) BETWEEN 16 AND 96),
    order_digest bytea NOT NULL CHECK (length(order_digest) = 32),
    task_id text NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (claimed_at);
