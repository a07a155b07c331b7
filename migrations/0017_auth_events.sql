-- migrate:up
-- Version 7 (RFC 9562 section 5.7), so that ids are in the order of time.
CREATE FUNCTION auth_event_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;

-- Who changed what, when, from where and why. Outlives the users and sessions that it names: no foreign keys. No e-mail address, password or
-- token is in it. No CHECK: PostgreSQL would read its text anew in every statement.
CREATE TABLE auth_events (
    id         uuid NOT NULL DEFAULT auth_event_id(),
    at         timestamptz NOT NULL DEFAULT now(),
    event      text NOT NULL,
    user_id    uuid,
    session_id uuid,
    actor      text,
    ip         inet,
    user_agent text,
    request_id text,
    reason     text,
    detail     jsonb,
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE INDEX auth_events_user ON auth_events (user_id, at, id) WHERE user_id IS NOT NULL;
CREATE INDEX auth_events_user_event ON auth_events (user_id, event, at, id) WHERE user_id IS NOT NULL;
CREATE INDEX auth_events_session ON auth_events (session_id, at, id) WHERE session_id IS NOT NULL;

-- What no partition is made for is kept all the same.
CREATE TABLE auth_events_default PARTITION OF auth_events DEFAULT;

-- In front of a change that adds events: whoever locks the audit or its partition of now refuses the change at once. Waiting for the lock,
-- changes would occupy the connections that logins need. Other partitions may be rebuilt or archived meanwhile. A function, since a LOCK by
-- itself needs a BEGIN, and with the rights of its owner, since a service that adds events to the table has none on its partitions.
CREATE FUNCTION auth_events_lock() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    month text := 'auth_events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF NOT has_table_privilege(session_user, 'auth_events', 'INSERT') THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied for auth_events_lock';
    END IF;
    LOCK TABLE ONLY auth_events IN ROW EXCLUSIVE MODE NOWAIT;
    IF to_regclass(month) IS NULL THEN
        month := 'auth_events_default';
    END IF;
    EXECUTE format('LOCK TABLE %I IN ROW EXCLUSIVE MODE NOWAIT', month);
END $$;

-- The same in front of a list of events.
CREATE FUNCTION auth_events_lock_to_read() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE auth_events IN ACCESS SHARE MODE NOWAIT;
END $$;

-- The role of the service owns no table and makes none. It calls this function, which does no more than this, with the rights of its owner:
-- partitions are made for this month and the next three, and months that have ended before now() - keep are removed (NULL: none), and
-- never what is younger than 30 days: whoever has the password of the service cannot have forgotten what was done with it. The
-- service adds events and reads them, whatever was granted on all tables. Returns how many partitions were made and removed, and how many
-- of these must wait, since a lock could not be had at once.
CREATE FUNCTION auth_events_maintain(keep interval, OUT made integer, OUT removed integer, OUT waiting integer)
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '200ms' AS $$
DECLARE
    this_month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    kept_from  timestamp := date_trunc('month', (now() - keep) AT TIME ZONE 'UTC');
    begins     timestamp;
    name       text;
    grantee    text;
BEGIN
    IF keep < interval '30 days' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'the audit keeps 30 days at least';
    END IF;
    made := 0;
    removed := 0;
    waiting := 0;
    IF NOT has_table_privilege(session_user, 'auth_events', 'INSERT') AND NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied for auth_events_maintain';
    END IF;
    IF NOT pg_try_advisory_xact_lock(7237648912) THEN -- another instance does it
        RETURN;
    END IF;

    FOR month IN 0..3 LOOP
        begins := this_month + month * interval '1 month';
        name := 'auth_events_' || to_char(begins, 'YYYY_MM');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE TABLE %I (LIKE auth_events INCLUDING DEFAULTS)', name);
            LOCK TABLE auth_events_default IN ACCESS EXCLUSIVE MODE;
            EXECUTE format('WITH moved AS (DELETE FROM auth_events_default WHERE at >= %L AND at < %L RETURNING *)'
                           ' INSERT INTO %I SELECT * FROM moved',
                           begins AT TIME ZONE 'UTC', (begins + interval '1 month') AT TIME ZONE 'UTC', name);
            EXECUTE format('ALTER TABLE auth_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           name, begins AT TIME ZONE 'UTC', (begins + interval '1 month') AT TIME ZONE 'UTC');
            made := made + 1;
        EXCEPTION WHEN lock_not_available THEN
            waiting := waiting + 1;
        END;
    END LOOP;

    FOR name IN
        SELECT c.relname
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'auth_events'::regclass
          AND c.relname ~ '^auth_events_[0-9]{4}_[0-9]{2}$'
          AND to_date(right(c.relname, 7), 'YYYY_MM') < kept_from
    LOOP
        BEGIN
            EXECUTE format('DROP TABLE %I', name);
            removed := removed + 1;
        EXCEPTION WHEN lock_not_available THEN
            waiting := waiting + 1;
        END;
    END LOOP;
    DELETE FROM auth_events_default WHERE at < kept_from AT TIME ZONE 'UTC';

    FOR name, grantee IN
        SELECT DISTINCT c.relname, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
        FROM pg_class c, aclexplode(c.relacl) a
        WHERE (c.oid = 'auth_events'::regclass OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'auth_events'::regclass))
          AND a.grantee <> c.relowner
          AND a.privilege_type NOT IN ('SELECT', 'INSERT')
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON %I FROM ', name) || grantee;
    END LOOP;
END $$;

-- Whatever the caller's search_path says, and no table of its own.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION auth_events_lock() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION auth_events_maintain(interval) SET search_path = %I, pg_temp', current_schema());
END $$;
SELECT FROM auth_events_maintain(NULL);

-- When a user's change of the own profile was noted last. It takes no password and has no limit of its own, so it is noted once an hour. The
-- last statement, since it locks the table of users until the transaction ends.
ALTER TABLE users ADD COLUMN profile_noted_at timestamptz;

-- migrate:down
ALTER TABLE users DROP COLUMN profile_noted_at;
DROP TABLE auth_events;
DROP FUNCTION auth_events_maintain(interval);
DROP FUNCTION auth_events_lock_to_read();
DROP FUNCTION auth_events_lock();
DROP FUNCTION auth_event_id();
