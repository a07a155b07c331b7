-- migrate:up
-- Requests that were carried out under an Idempotency-Key, each with what its reply is made of again. The row is inserted by the statement
-- that made the change. Neither key nor body is in it: both digests are of the program's making, the second one keyed with the key. It
-- outlives the user and the session that it names: no foreign keys. Deleted after a day.
CREATE TABLE idempotency_keys (
    digest      bytea PRIMARY KEY, -- of the key and of whom it belongs to
    fingerprint bytea NOT NULL,    -- of the request, passwords left out
    user_id     uuid,
    session_id  uuid,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at); -- for their deletion

-- migrate:down
DROP TABLE idempotency_keys;
