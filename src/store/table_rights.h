/*
 * table_rights: the rights that the statements of the service need on its tables, one row a table. FOR UPDATE needs UPDATE.
 * Without those of `serving` requests fail, so the instance is not ready. Those of `reported` are of clean-up, of `jwtd key
 * revoke` and of the audit, without which it serves on.
 */
#ifndef JWTD_STORE_TABLE_RIGHTS_H
#define JWTD_STORE_TABLE_RIGHTS_H

/* clang-format off */

/* For a FROM: "needed (name, serving, reported)". */
#define TABLE_RIGHTS \
    "(VALUES ('users',             '{SELECT,INSERT,UPDATE,DELETE}'::text[], '{}'::text[])," \
    "        ('sessions',          '{SELECT,INSERT,UPDATE,DELETE}', '{}')," \
    "        ('revocations',       '{SELECT,INSERT}',               '{UPDATE,DELETE}')," \
    "        ('known_addresses',   '{SELECT,INSERT,UPDATE,DELETE}', '{}')," \
    "        ('idempotency_keys',  '{SELECT,INSERT}',               '{UPDATE,DELETE}')," \
    "        ('revoked_keys',      '{SELECT}',                      '{INSERT}')," \
    "        ('database_identity', '{SELECT}',                      '{}')," \
    "        ('schema_migrations', '{SELECT}',                      '{}')," \
    "        ('auth_events',       '{}',                            '{SELECT,INSERT}')) AS needed (name, serving, reported)"

/* clang-format on */

#endif
