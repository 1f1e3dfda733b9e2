-- Takes over the queue of earlier versions, which was Procrastinate's tables. A database without them has nothing to take
-- over. Running processes of earlier versions continue: what they add to the old queue, or hand back to it, waits in the
-- new one, and what their workers hold stays theirs. An old worker is a row of `workers` with its id negated.

DO $takeover$
BEGIN
IF to_regclass('procrastinate_jobs') IS NULL THEN
    RETURN;
END IF;

-- In the order in which accepting and ending a task lock them. Nothing is added or taken until this step ends.
LOCK TABLE tasks IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE procrastinate_jobs IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE procrastinate_workers IN SHARE ROW EXCLUSIVE MODE;

INSERT INTO workers (id, started_at, heartbeat_at) SELECT -id, last_heartbeat, last_heartbeat FROM procrastinate_workers;

UPDATE tasks SET
    queue_state = CASE job.status WHEN 'todo' THEN 'waiting' ELSE 'taken' END,
    -- No worker has the id 0: such a job's worker has left.
    worker_id = CASE WHEN job.status = 'doing' THEN coalesce(-job.worker_id, 0) END,
    taken_at = CASE WHEN job.status = 'doing' OR job.attempts > 0 THEN coalesce(
        (SELECT max(at) FROM procrastinate_events WHERE job_id = job.id AND type = 'started'), now()) END,
    retry_at = CASE job.status WHEN 'todo' THEN job.scheduled_at END
FROM procrastinate_jobs AS job
WHERE tasks.id = job.args ->> 'task_id' AND job.status IN ('todo', 'doing');

DELETE FROM procrastinate_jobs WHERE status <> 'doing';

-- A job that is added, or handed back, waits in the new queue instead.
CREATE FUNCTION take_over_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE tasks SET queue_state = 'waiting' WHERE id = NEW.args ->> 'task_id' AND queue_state IS NULL;
    ELSE
        UPDATE tasks SET queue_state = 'waiting', worker_id = NULL, retry_at = NEW.scheduled_at
        WHERE id = NEW.args ->> 'task_id' AND queue_state = 'taken' AND worker_id = coalesce(-OLD.worker_id, 0);
    END IF;
    DELETE FROM procrastinate_jobs WHERE id = NEW.id;
    PERFORM pg_notify('easel_work', '');
    RETURN NULL;
END $$;
-- Named so that they run after Procrastinate's own triggers, which refer to the job.
CREATE TRIGGER z_easel_takes_over_added_jobs AFTER INSERT ON procrastinate_jobs
    FOR EACH ROW WHEN (NEW.status = 'todo') EXECUTE FUNCTION take_over_job();
CREATE TRIGGER z_easel_takes_over_returned_jobs AFTER UPDATE OF status ON procrastinate_jobs
    FOR EACH ROW WHEN (NEW.status = 'todo') EXECUTE FUNCTION take_over_job();

-- An old worker deletes the job of a task that has ended.
CREATE FUNCTION leave_with_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tasks SET queue_state = NULL, worker_id = NULL
    WHERE id = OLD.args ->> 'task_id' AND queue_state = 'taken' AND worker_id = coalesce(-OLD.worker_id, 0)
        AND ended_at IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER z_easel_leaves_with_deleted_jobs AFTER DELETE ON procrastinate_jobs
    FOR EACH ROW EXECUTE FUNCTION leave_with_job();

-- A task that is taken away from an old worker has no job any more, so that no old worker counts a death again.
CREATE FUNCTION delete_old_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM procrastinate_jobs WHERE args ->> 'task_id' = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_delete_old_job AFTER UPDATE OF worker_id ON tasks
    FOR EACH ROW WHEN (OLD.worker_id <= 0 AND NEW.worker_id IS DISTINCT FROM OLD.worker_id)
    EXECUTE FUNCTION delete_old_job();

CREATE FUNCTION mirror_worker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM workers WHERE id = -OLD.id;
    ELSE
        INSERT INTO workers (id, heartbeat_at) VALUES (-NEW.id, NEW.last_heartbeat)
        ON CONFLICT (id) DO UPDATE SET heartbeat_at = EXCLUDED.heartbeat_at;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER z_easel_mirrors_workers AFTER INSERT OR UPDATE OR DELETE ON procrastinate_workers
    FOR EACH ROW EXECUTE FUNCTION mirror_worker();

END $takeover$;
