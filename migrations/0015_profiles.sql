-- migrate:up
-- What a user is beside the account: a name, an object that the user writes, and one that only administrators write. json and not jsonb,
-- which would turn 1e308 into 309 digits. The version counts the changes that administrators make, so that two of them do not overwrite
-- each other. A password that was changed within the last minute may be presented as the current one again; a change of the name, which
-- takes no password, must not allow that, so its time is a column of its own.
-- Every column has a default or may be missing: the version of the program before this one inserts rows without them. The CHECKs are NOT
-- VALID since each row satisfies them already, and validating would read the whole table under a lock that stops every login.
ALTER TABLE users
    ADD COLUMN name                text,
    ADD COLUMN metadata            json NOT NULL DEFAULT '{}',
    ADD COLUMN admin_metadata      json NOT NULL DEFAULT '{}',
    ADD COLUMN version             bigint NOT NULL DEFAULT 1,
    ADD COLUMN password_changed_at timestamptz,
    ADD CONSTRAINT users_name_check CHECK (octet_length(name) BETWEEN 1 AND 256) NOT VALID,
    ADD CONSTRAINT users_metadata_check
        CHECK (json_typeof(metadata) = 'object' AND octet_length(metadata::text) <= 4096) NOT VALID,
    ADD CONSTRAINT users_admin_metadata_check
        CHECK (json_typeof(admin_metadata) = 'object' AND octet_length(admin_metadata::text) <= 4096) NOT VALID;

-- migrate:down
ALTER TABLE users
    DROP COLUMN password_changed_at,
    DROP COLUMN version,
    DROP COLUMN admin_metadata,
    DROP COLUMN metadata,
    DROP COLUMN name;
