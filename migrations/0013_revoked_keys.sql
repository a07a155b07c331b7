-- migrate:up
-- Signing keys that no instance accepts tokens of any more, those that do not share a directory of keys with the one where the key was
-- revoked among them. Every instance reads the whole table twice a second: it has a row for each emergency of the installation's life.
CREATE TABLE revoked_keys (
    kid        text PRIMARY KEY CHECK (kid COLLATE "C" ~ '^[A-Za-z0-9._-]{1,64}$'),
    revoked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- migrate:down
DROP TABLE revoked_keys;
