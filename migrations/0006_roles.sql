-- migrate:up
-- When roles change, every instance must know until the last access token that says otherwise has expired: it reads the users whose roles
-- have changed since then, by this index.
ALTER TABLE users ADD COLUMN roles_changed_at timestamptz;
CREATE INDEX users_roles_changed_at ON users (roles_changed_at) WHERE roles_changed_at IS NOT NULL;

-- Roles travel in a header: the rule of include/jwtd/role.h. Not a CHECK: rows with other roles stay as they are (the program leaves such
-- roles out of tokens, and says so in its log), and even one that is NOT VALID would refuse every later update of such a row, a new
-- password too. A trigger, so that what is written by hand counts as well.
CREATE FUNCTION users_set_roles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(NEW.roles) AS role WHERE role COLLATE "C" !~ '^[A-Za-z0-9_][A-Za-z0-9._:-]{0,63}$') THEN
        RAISE EXCEPTION 'a role is 1 to 64 of A-Z a-z 0-9 . _ : -, and begins with a letter, a digit or _'
            USING ERRCODE = 'check_violation';
    END IF;
    NEW.roles_changed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER users_roles_given BEFORE INSERT ON users
    FOR EACH ROW WHEN (NEW.roles <> '{}') EXECUTE FUNCTION users_set_roles();
CREATE TRIGGER users_roles_changed BEFORE UPDATE ON users
    FOR EACH ROW WHEN (OLD.roles IS DISTINCT FROM NEW.roles) EXECUTE FUNCTION users_set_roles();

-- migrate:down
DROP TRIGGER users_roles_changed ON users;
DROP TRIGGER users_roles_given ON users;
DROP FUNCTION users_set_roles();
ALTER TABLE users DROP COLUMN roles_changed_at;
