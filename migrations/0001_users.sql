-- migrate:up
CREATE TABLE users (
    id                 uuid PRIMARY KEY, -- version 7, made by the program
    email              text NOT NULL CHECK (octet_length(email) BETWEEN 3 AND 254),
    -- compared byte by byte: an operating system's collation may change under the index
    email_canonical    text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(email_canonical) BETWEEN 3 AND 1024),
    password_hash      text NOT NULL CHECK (octet_length(password_hash) BETWEEN 1 AND 256),
    password_version   bigint NOT NULL DEFAULT 1,
    roles              text[] NOT NULL DEFAULT '{}'
        CHECK (coalesce(array_ndims(roles), 1) = 1 AND array_position(roles, NULL) IS NULL)
        CHECK (octet_length(array_to_json(roles)::text) <= 1024), -- they travel in every access token
    idempotency_digest text CHECK (idempotency_digest ~ '^[0-9a-f]{64}$'),
    disabled_at        timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 90);

-- migrate:down
DROP TABLE users;
