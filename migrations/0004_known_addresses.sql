-- migrate:up
-- From where an account was logged in: whoever guesses at its password from elsewhere cannot lock these out. IPv4 whole, IPv6 by /64.
CREATE TABLE known_addresses (
    user_id        uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    network        cidr NOT NULL,
    last_login_day date NOT NULL,
    PRIMARY KEY (user_id, network)
);
CREATE INDEX known_addresses_last_login_day ON known_addresses (last_login_day); -- for their deletion

-- migrate:down
DROP TABLE known_addresses;
