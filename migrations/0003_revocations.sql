-- What every instance reads twice a second to learn which sessions have ended. Outlives the session's row, since a deleted user takes
-- the sessions along.
-- migrate:up
CREATE TABLE revocations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    reason text NOT NULL,
    revoked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX revocations_revoked_at ON revocations (revoked_at);

-- migrate:down
DROP TABLE revocations;
