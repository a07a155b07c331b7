/* table_rights: the rights that the statements of the service need on its tables, one row a table. FOR UPDATE needs UPDATE. */
#ifndef JWTD_STORE_TABLE_RIGHTS_H
#define JWTD_STORE_TABLE_RIGHTS_H

/* clang-format off */

/* For a FROM: "needed (name, privileges)". What writes the audit is of no concern to a login, see migrations_check. */
#define TABLE_RIGHTS \
    "(VALUES ('users',             '{SELECT,INSERT,UPDATE,DELETE}'::text[])," \
    "        ('sessions',          '{SELECT,INSERT,UPDATE,DELETE}')," \
    "        ('revocations',       '{SELECT,INSERT,UPDATE,DELETE}')," \
    "        ('known_addresses',   '{SELECT,INSERT,UPDATE,DELETE}')," \
    "        ('idempotency_keys',  '{SELECT,INSERT,UPDATE,DELETE}')," \
    "        ('revoked_keys',      '{SELECT,INSERT}')," \
    "        ('database_identity', '{SELECT}')," \
    "        ('schema_migrations', '{SELECT}')," \
    "        ('auth_events',       '{SELECT,INSERT}')) AS needed (name, privileges)"

/* clang-format on */

#endif
