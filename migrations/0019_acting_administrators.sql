-- migrate:up
-- In front of each change that an administrator makes with an access token: locks the user whom it concerns, if there is one, and the
-- administrator, whose role and session are then those of now. An instance reads only about once a second which sessions have ended and who
-- has lost the role; the change of somebody who was disabled meanwhile would undo it. Both rows in the order of their ids, so that two
-- administrators who change each other do not block each other. The session is not locked: a refresh locks it before the user.
CREATE FUNCTION users_lock_for_administrator(target uuid, acting_session uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    acting uuid;
BEGIN
    SELECT user_id INTO acting FROM sessions WHERE id = acting_session;
    IF acting < target THEN
        PERFORM FROM users WHERE id = acting FOR SHARE;
    END IF;
    PERFORM FROM users WHERE id = target FOR UPDATE;
    IF (acting <= target) IS NOT TRUE THEN
        PERFORM FROM users WHERE id = acting FOR SHARE;
    END IF;
    IF acting_session IS NULL THEN -- a command, for example
        RETURN true;
    END IF;
    IF NOT EXISTS (SELECT FROM sessions WHERE id = acting_session AND revoked_at IS NULL) THEN
        RAISE EXCEPTION 'the session of the administrator has ended'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'administrator_has_session';
    END IF;
    IF NOT EXISTS (SELECT FROM users WHERE id = acting AND 'admin' = ANY (roles) AND disabled_at IS NULL) THEN
        RAISE EXCEPTION 'the user is no administrator, or is disabled'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'administrator_has_role';
    END IF;
    RETURN true;
END $$;

-- migrate:down
DROP FUNCTION users_lock_for_administrator(uuid, uuid);
