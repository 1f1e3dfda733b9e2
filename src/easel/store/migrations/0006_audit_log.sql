-- The audit log of operators' actions, and grants that take credits back.

CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    -- The operating system's user, and the host.
    operator text NOT NULL CHECK (length(operator) BETWEEN 1 AND 200),
    -- The API key that was used, where the action came over HTTP.
    api_key_id bigint REFERENCES api_keys (id),
    action text NOT NULL CHECK (length(action) BETWEEN 1 AND 64),
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
    -- The account concerned. NULL where it concerns none, or all.
    account_id bigint REFERENCES accounts (id),
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_account ON audit_log (account_id, id DESC);
CREATE INDEX audit_log_action ON audit_log (action, id DESC);

CREATE FUNCTION forbid_change_of_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION forbid_change_of_audit_log();
CREATE TRIGGER audit_log_is_never_emptied BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change_of_audit_log();

-- A negative grant takes credits back. Existing entries satisfy the stricter rule and need no check.
ALTER TABLE ledger DROP CONSTRAINT ledger_amount_microcredits_check;
ALTER TABLE ledger ADD CONSTRAINT ledger_amount_microcredits_check CHECK (
    amount_microcredits BETWEEN 1 AND 1000000000000000
    OR kind = 'grant' AND amount_microcredits BETWEEN -1000000000000000 AND -1) NOT VALID;
