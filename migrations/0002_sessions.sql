-- One row per session for its whole life; generation is the refresh token that is current. What a refresh changes is in no index, and
-- pages keep room, so that the new version of a row stays on its page (HOT).
-- migrate:up
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    generation integer NOT NULL DEFAULT 1 CHECK (generation >= 1),
    created_at timestamptz NOT NULL DEFAULT now(),
    rotated_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoke_reason text,
    ip inet,
    user_agent text CHECK (octet_length(user_agent) <= 512)
) WITH (fillfactor = 80);
CREATE INDEX sessions_live_of_user ON sessions (user_id, created_at) WHERE revoked_at IS NULL;
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_revoked_at ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- migrate:down
DROP TABLE sessions;
