-- migrate:up
-- For users_keep_administrator() (0016_administration.sql), which without it reads the whole table. A migration of its own: whatever changes
-- the table's columns locks it until its transaction ends, and so all logins would wait until the index is made. While it is made here,
-- the table is read; only what writes to it waits.
CREATE INDEX users_administrators ON users (id) WHERE 'admin' = ANY (roles) AND disabled_at IS NULL AND has_password;

-- migrate:down
DROP INDEX users_administrators;
