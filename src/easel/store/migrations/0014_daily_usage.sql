-- What each key's tasks came to, by the day on which they ended (UTC). A trigger counts, for every version of Easel.

CREATE TABLE daily_usage (
    account_id bigint NOT NULL REFERENCES accounts (id),
    day date NOT NULL,
    api_key_id bigint NOT NULL REFERENCES api_keys (id),
    completed integer NOT NULL DEFAULT 0,
    cancelled integer NOT NULL DEFAULT 0,
    -- By moderation, before or after drawing.
    refused integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    spent_microcredits bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, day, api_key_id)
    -- Today's rows change with every task. Room on their pages lets them change in place.
) WITH (fillfactor = 50);

-- A key's row is locked when one of its holds is resolved, so two tasks that end wait for each other there, not here.
CREATE FUNCTION count_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO daily_usage AS usage (account_id, day, api_key_id, completed, cancelled, refused, failed, spent_microcredits)
    VALUES (
        NEW.account_id, (NEW.ended_at AT TIME ZONE 'UTC')::date, NEW.api_key_id,
        (NEW.status = 'completed')::int,
        (NEW.status = 'failed' AND NEW.error_code = 'request_cancelled')::int,
        (NEW.status = 'failed' AND NEW.error_code = 'content_policy_violation')::int,
        (NEW.status = 'failed' AND NEW.error_code NOT IN ('request_cancelled', 'content_policy_violation'))::int,
        CASE NEW.status WHEN 'completed' THEN NEW.price_microcredits ELSE 0 END)
    ON CONFLICT (account_id, day, api_key_id) DO UPDATE SET
        completed = usage.completed + EXCLUDED.completed,
        cancelled = usage.cancelled + EXCLUDED.cancelled,
        refused = usage.refused + EXCLUDED.refused,
        failed = usage.failed + EXCLUDED.failed,
        spent_microcredits = usage.spent_microcredits + EXCLUDED.spent_microcredits;
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_count_usage AFTER UPDATE OF status ON tasks
    FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL AND OLD.ended_at IS NULL) EXECUTE FUNCTION count_usage();
-- A refused task has ended when it is created.
CREATE TRIGGER tasks_count_usage_at_once AFTER INSERT ON tasks
    FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION count_usage();

-- The past. The triggers hold a lock on the tasks until this step ends, so no task ends uncounted or is counted twice.
INSERT INTO daily_usage
SELECT account_id, (ended_at AT TIME ZONE 'UTC')::date AS day, api_key_id,
    count(*) FILTER (WHERE status = 'completed'),
    count(*) FILTER (WHERE error_code = 'request_cancelled'),
    count(*) FILTER (WHERE error_code = 'content_policy_violation'),
    count(*) FILTER (WHERE error_code NOT IN ('request_cancelled', 'content_policy_violation')),
    coalesce(sum(price_microcredits) FILTER (WHERE status = 'completed'), 0)
FROM tasks WHERE ended_at IS NOT NULL GROUP BY account_id, day, api_key_id;

-- What failed lately is looked up by time.
CREATE INDEX tasks_failed ON tasks (ended_at, error_code) WHERE status = 'failed';
