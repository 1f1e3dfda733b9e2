-- One trigger updates a key's counts from its holds, as one updates balances from the ledger, for every version of Easel.

-- The same order as when a task is accepted. Nothing is counted or held until this migration ends.
LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE;
LOCK TABLE holds IN SHARE ROW EXCLUSIVE MODE;

-- Some earlier versions count by statements of their own, and others do not. What they write is ignored. Only the
-- trigger below changes the counts, and a repair, which declares itself.
CREATE FUNCTION keep_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.used_microcredits := OLD.used_microcredits;
    NEW.reserved_microcredits := OLD.reserved_microcredits;
    NEW.unfinished := OLD.unfinished;
    RETURN NEW;
END $$;
CREATE TRIGGER api_keys_counts_are_derived
    BEFORE UPDATE OF used_microcredits, reserved_microcredits, unfinished ON api_keys
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND current_setting('easel.is_repairing', true) IS DISTINCT FROM 'true')
    EXECUTE FUNCTION keep_counts();

-- The limit is checked only where something new is reserved: it must never keep a task from ending.
ALTER TABLE api_keys DROP CONSTRAINT api_keys_within_limit;

CREATE FUNCTION count_hold() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_over_limit boolean;
BEGIN
    -- A count that is wrong all the same must not keep a task from ending: it stays at zero until it is repaired.
    UPDATE api_keys SET
        used_microcredits = greatest(0, used_microcredits
            + CASE WHEN NEW.state = 'captured' THEN NEW.amount_microcredits ELSE 0 END
            - CASE WHEN OLD.state = 'captured' THEN OLD.amount_microcredits ELSE 0 END),
        reserved_microcredits = greatest(0, reserved_microcredits
            + CASE WHEN NEW.state = 'open' THEN NEW.amount_microcredits ELSE 0 END
            - CASE WHEN OLD.state = 'open' THEN OLD.amount_microcredits ELSE 0 END),
        unfinished = greatest(0, unfinished
            + CASE WHEN NEW.state = 'open' THEN 1 ELSE 0 END
            - CASE WHEN OLD.state = 'open' THEN 1 ELSE 0 END)
    WHERE id = (SELECT api_key_id FROM tasks WHERE tasks.id = NEW.task_id)
    RETURNING used_microcredits + reserved_microcredits > credit_limit_microcredits INTO is_over_limit;
    IF is_over_limit AND TG_OP = 'INSERT' THEN
        RAISE EXCEPTION 'the key may not spend more than its limit'
            USING ERRCODE = 'check_violation', TABLE = 'api_keys', CONSTRAINT = 'api_keys_within_limit';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER holds_are_counted AFTER INSERT OR UPDATE OF state, amount_microcredits ON holds
    FOR EACH ROW EXECUTE FUNCTION count_hold();

-- Corrects what versions that counted differently left wrong. All versions charge alike, so used amounts are right.
SET LOCAL easel.is_repairing = 'true';
UPDATE api_keys SET unfinished = coalesce(open.tasks, 0), reserved_microcredits = coalesce(open.amount, 0)
FROM api_keys AS counted LEFT JOIN (
    SELECT tasks.api_key_id, count(*) AS tasks, sum(holds.amount_microcredits) AS amount
    FROM holds JOIN tasks ON tasks.id = holds.task_id WHERE holds.state = 'open' GROUP BY tasks.api_key_id
) AS open ON open.api_key_id = counted.id
WHERE api_keys.id = counted.id
    AND (api_keys.unfinished, api_keys.reserved_microcredits)
        IS DISTINCT FROM (coalesce(open.tasks, 0), coalesce(open.amount, 0));
