-- migrate:up
-- What a refresh whose answer was lost needs, and what its watcher counts. As the columns of 0002, none of these is indexed.
ALTER TABLE sessions
    -- The generation that may be presented again while generation = retry_successor. In any other row it is generation - 1: in those
    -- from before this migration, and in those that an instance of the version before has moved since, which leaves these columns alone.
    ADD COLUMN retry_generation integer CHECK (retry_generation > 0),
    ADD COLUMN retry_successor integer CHECK (retry_successor > retry_generation),
    ADD COLUMN retried_after interval NOT NULL DEFAULT '0', -- from rotated_at to when the current generation was given out last
    ADD COLUMN rotated_from cidr, -- the network of the client that got the current generation; NULL: unknown
    ADD COLUMN retries_elsewhere integer NOT NULL DEFAULT 0; -- retries that came from another one

-- migrate:down
ALTER TABLE sessions
    DROP COLUMN retry_generation,
    DROP COLUMN retry_successor,
    DROP COLUMN retried_after,
    DROP COLUMN rotated_from,
    DROP COLUMN retries_elsewhere;
