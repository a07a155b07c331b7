-- Accounts. email is kept as typed; email_canonical (case folded, form C) is what makes it unique.
-- password_version moves when the password changes, not when the same password is hashed anew.
-- migrate:up
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL CHECK (octet_length(email) BETWEEN 3 AND 254),
    email_canonical text NOT NULL UNIQUE CHECK (octet_length(email_canonical) BETWEEN 3 AND 1024),
    password_hash text NOT NULL CHECK (octet_length(password_hash) BETWEEN 1 AND 255),
    password_version bigint NOT NULL DEFAULT 1,
    roles text[] NOT NULL DEFAULT '{}',
    idempotency_digest text CHECK (octet_length(idempotency_digest) = 64),
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- migrate:down
DROP TABLE users;
