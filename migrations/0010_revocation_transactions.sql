-- migrate:up
-- A revocation carries the time of its statement and is seen when its transaction commits, which may be much later: no statement_timeout
-- ends a commit that waits for a standby or a disk. Readers find such rows by the transaction that wrote them. Rows from before have none.
ALTER TABLE revocations ADD COLUMN transaction_id xid8;
ALTER TABLE revocations ALTER COLUMN transaction_id SET DEFAULT pg_current_xact_id();
CREATE INDEX revocations_transaction_id ON revocations (transaction_id, id);

-- migrate:down
ALTER TABLE revocations DROP COLUMN transaction_id;
