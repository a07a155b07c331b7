-- migrate:up
-- Outlives the sessions and users that it names: no foreign keys.
CREATE TABLE revocations (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id uuid NOT NULL,
    user_id    uuid NOT NULL,
    reason     text NOT NULL CHECK (octet_length(reason) BETWEEN 1 AND 64),
    revoked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX revocations_revoked_at ON revocations (revoked_at);

-- migrate:down
DROP TABLE revocations;
