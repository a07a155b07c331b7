-- migrate:up
-- A position in the revocations is a number of transactions, which means nothing in another database. So positions that are handed out
-- name the database that they belong to.
CREATE TABLE database_identity (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid()
);
INSERT INTO database_identity DEFAULT VALUES;

-- migrate:down
DROP TABLE database_identity;
