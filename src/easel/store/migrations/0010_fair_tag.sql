-- The tag of an account's next task, which is its place in the line.
--
-- Fair shares by virtual time (start-time fair queueing). The virtual time is the tag of the task that was begun last,
-- but never later than the first task in line; with no task in line it starts over. Tasks of one account are 2 apart. An
-- account with nothing waiting enters 1 after the virtual time: ahead of the next task of an account with many waiting,
-- and behind everyone who came before. An account whose latest task has that tag or a later one just had its turn, and
-- enters 2 after. If tags ever reach their limit, all tasks enter there, in order of arrival, until no task is in line.
--
-- It is VOLATILE, so that it sees what was committed until it is called, also within a statement that had to wait for a
-- lock. The caller has locked the account's row.
CREATE FUNCTION fair_tag(account bigint) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN least(2147483647, greatest(
        1,
        (SELECT now.tag + CASE WHEN latest.tag >= now.tag THEN 2 ELSE 1 END FROM
            (SELECT least((SELECT last_value FROM fair_share_clock), tag) AS tag FROM tasks
             WHERE queue_state = 'waiting' ORDER BY tag, position LIMIT 1) AS now
            LEFT JOIN (SELECT tag FROM tasks WHERE account_id = account ORDER BY position DESC LIMIT 1)
                AS latest ON true),
        2 + (SELECT max(tag) FROM tasks WHERE account_id = account AND status = 'pending')::bigint
    ));
END $$;
