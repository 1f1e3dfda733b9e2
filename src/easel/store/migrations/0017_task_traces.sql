-- Where a task's trace goes on, for installations that record traces. There is a row only for tasks of theirs.
CREATE TABLE task_traces (
    task_id text PRIMARY KEY,
    traceparent text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX task_traces_by_age ON task_traces (created_at);
