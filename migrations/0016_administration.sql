-- migrate:up
-- A user of whom a new password is required opens no session until it is set. Instances of the version before this one do not read it.
ALTER TABLE users
    ADD COLUMN password_change_required boolean NOT NULL DEFAULT false,
    ADD COLUMN has_password             boolean NOT NULL DEFAULT true; -- false: the hash is of one that nobody knows

-- The version counts changes of what only administrators write, so that users who change their profile all the time hold up no
-- administrator. A statement of an administrator that changes what both write counts itself. A trigger, so that changes by instances of
-- the version before this one, and by hand, count as well.
CREATE FUNCTION users_count_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER users_changed BEFORE UPDATE ON users
    FOR EACH ROW WHEN (NEW.version = OLD.version
        AND (OLD.roles, OLD.disabled_at, OLD.password_change_required, OLD.admin_metadata::text)
            IS DISTINCT FROM (NEW.roles, NEW.disabled_at, NEW.password_change_required, NEW.admin_metadata::text))
    EXECUTE FUNCTION users_count_version();

-- Whoever stops being an administrator waits for everybody else who does so at this moment, and is then judged by what they have left:
-- each statement of the function sees what was committed before it. Only who can log in as an administrator counts, so none without a
-- password. The index for this is 0020_administrators_index.sql. By hand, `ALTER TABLE users DISABLE TRIGGER USER` allows what it refuses.
CREATE FUNCTION users_keep_administrator() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7237648913);
    IF NOT EXISTS (SELECT FROM users WHERE 'admin' = ANY (roles) AND disabled_at IS NULL AND has_password AND id <> OLD.id) THEN
        RAISE EXCEPTION 'this is the last administrator who has a password and is not disabled'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'users_last_administrator';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER users_administrator_changed BEFORE UPDATE ON users
    FOR EACH ROW WHEN ('admin' = ANY (OLD.roles) AND OLD.disabled_at IS NULL AND OLD.has_password
        AND NOT ('admin' = ANY (NEW.roles) AND NEW.disabled_at IS NULL AND NEW.has_password))
    EXECUTE FUNCTION users_keep_administrator();
CREATE TRIGGER users_administrator_deleted BEFORE DELETE ON users
    FOR EACH ROW WHEN ('admin' = ANY (OLD.roles) AND OLD.disabled_at IS NULL AND OLD.has_password) EXECUTE FUNCTION users_keep_administrator();

-- migrate:down
DROP TRIGGER users_administrator_deleted ON users;
DROP TRIGGER users_administrator_changed ON users;
DROP FUNCTION users_keep_administrator();
DROP TRIGGER users_changed ON users;
DROP FUNCTION users_count_version();
ALTER TABLE users
    DROP COLUMN has_password,
    DROP COLUMN password_change_required;
