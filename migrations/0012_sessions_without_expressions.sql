-- migrate:up
-- PostgreSQL reads the text of a table's CHECKs and generated columns anew in each statement that inserts or updates a row: a third of what
-- a refresh cost. The statements of the program compute what these checked: generations that grow from 1, the revocation's time and reason
-- together, a user agent whose length is checked where it is received. The day is now written by them, too; it may be earlier than the last
-- use (after a statement of the version before) but not later, so that whoever searches by it still finds every session.
ALTER TABLE sessions
    DROP CONSTRAINT sessions_generation_check,
    DROP CONSTRAINT sessions_retry_generation_check,
    DROP CONSTRAINT sessions_check1, -- retry_successor > retry_generation
    DROP CONSTRAINT sessions_check, -- (revoked_at IS NULL) = (revoke_reason IS NULL)
    DROP CONSTRAINT sessions_revoke_reason_check,
    DROP CONSTRAINT sessions_user_agent_check,
    ALTER COLUMN last_used_day DROP EXPRESSION,
    ALTER COLUMN last_used_day SET DEFAULT (now() AT TIME ZONE 'UTC')::date;

-- migrate:down
DROP INDEX sessions_last_used_day;
ALTER TABLE sessions
    DROP COLUMN last_used_day,
    ADD COLUMN last_used_day date NOT NULL GENERATED ALWAYS AS ((last_used_at AT TIME ZONE 'UTC')::date) STORED,
    ADD CONSTRAINT sessions_generation_check CHECK (generation > 0),
    ADD CONSTRAINT sessions_retry_generation_check CHECK (retry_generation > 0),
    ADD CONSTRAINT sessions_check1 CHECK (retry_successor > retry_generation),
    ADD CONSTRAINT sessions_check CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL)),
    ADD CONSTRAINT sessions_revoke_reason_check CHECK (octet_length(revoke_reason) BETWEEN 1 AND 64),
    ADD CONSTRAINT sessions_user_agent_check CHECK (octet_length(user_agent) <= 512);
CREATE INDEX sessions_last_used_day ON sessions (last_used_day);
