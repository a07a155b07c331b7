-- migrate:up
-- A refresh changes generation, rotated_at and last_used_at. None of them is indexed and each page keeps room, so that the
-- update stays within its page and touches no index (a heap-only tuple).
CREATE TABLE sessions (
    id            uuid PRIMARY KEY, -- version 7, made by the program
    user_id       uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    generation    integer NOT NULL DEFAULT 1 CHECK (generation > 0),
    created_at    timestamptz NOT NULL DEFAULT now(),
    rotated_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    revoked_at    timestamptz,
    revoke_reason text CHECK (octet_length(revoke_reason) BETWEEN 1 AND 64),
    ip            inet,
    user_agent    text CHECK (octet_length(user_agent) <= 512),
    -- what the deletion of idle sessions searches by: it moves with the first refresh of a day only
    last_used_day date NOT NULL GENERATED ALWAYS AS ((last_used_at AT TIME ZONE 'UTC')::date) STORED,
    CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL))
) WITH (fillfactor = 80);

-- the live sessions of a user (revoked_at IS NULL), those revoked lately, and the cascade from users
CREATE INDEX sessions_user ON sessions (user_id, revoked_at);

-- the two ways to find the dead
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX sessions_last_used_day ON sessions (last_used_day);

-- migrate:down
DROP TABLE sessions;
