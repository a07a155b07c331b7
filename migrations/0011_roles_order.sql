-- migrate:up
-- Changed roles are read in pages: since a time by an instance that has just started, since a transaction by one that has read them
-- before: a transaction commits long after the time that it wrote down, but its number is none that was over when one looked.
ALTER TABLE users ADD COLUMN roles_changed_xid xid8;
CREATE INDEX users_roles_changed_at_id ON users (roles_changed_at, id) WHERE roles_changed_at IS NOT NULL;
CREATE INDEX users_roles_changed_xid_id ON users (roles_changed_xid, id) WHERE roles_changed_xid IS NOT NULL;
DROP INDEX users_roles_changed_at;

-- A new user has no token that could say otherwise: roles that it is inserted with are no change, however many an import brings.
CREATE OR REPLACE FUNCTION users_set_roles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(NEW.roles) AS role WHERE role COLLATE "C" !~ '^[A-Za-z0-9_][A-Za-z0-9._:-]{0,63}$') THEN
        RAISE EXCEPTION 'a role is 1 to 64 of A-Z a-z 0-9 . _ : -, and begins with a letter, a digit or _'
            USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'UPDATE' THEN
        NEW.roles_changed_at := clock_timestamp();
        NEW.roles_changed_xid := pg_current_xact_id();
    END IF;
    RETURN NEW;
END $$;

-- migrate:down
CREATE OR REPLACE FUNCTION users_set_roles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(NEW.roles) AS role WHERE role COLLATE "C" !~ '^[A-Za-z0-9_][A-Za-z0-9._:-]{0,63}$') THEN
        RAISE EXCEPTION 'a role is 1 to 64 of A-Z a-z 0-9 . _ : -, and begins with a letter, a digit or _'
            USING ERRCODE = 'check_violation';
    END IF;
    NEW.roles_changed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE INDEX users_roles_changed_at ON users (roles_changed_at) WHERE roles_changed_at IS NOT NULL;
DROP INDEX users_roles_changed_at_id;
ALTER TABLE users DROP COLUMN roles_changed_xid;
