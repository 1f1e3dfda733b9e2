-- What operators did; and grants that take credits back.

CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    -- A user of the system and its host.
    operator text NOT NULL CHECK (length(operator) BETWEEN 1 AND 200),
    -- The key with which it was asked for, where it was asked for over HTTP.
    api_key_id bigint REFERENCES api_keys (id),
    action text NOT NULL CHECK (length(action) BETWEEN 1 AND 64),
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
    -- The account that it was done to; NULL where it was done to none, or to all.
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

-- A grant below zero takes back what an earlier one gave. Entries so far keep the narrower rule, and need no look.
ALTER TABLE ledger DROP CONSTRAINT ledger_amount_microcredits_check;
ALTER TABLE ledger ADD CONSTRAINT ledger_amount_microcredits_check CHECK (
    amount_microcredits BETWEEN 1 AND 1000000000000000
    OR kind = 'grant' AND amount_microcredits BETWEEN -1000000000000000 AND -1) NOT VALID;
