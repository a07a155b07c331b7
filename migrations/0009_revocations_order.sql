-- migrate:up
-- Revocations are read in pages, by time and number, also where many have the same time.
CREATE INDEX revocations_revoked_at_id ON revocations (revoked_at, id);
DROP INDEX revocations_revoked_at;

-- migrate:down
CREATE INDEX revocations_revoked_at ON revocations (revoked_at);
DROP INDEX revocations_revoked_at_id;
