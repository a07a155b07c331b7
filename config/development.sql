-- The roles and the database of a private development cluster; run by its superuser with psql, as often as you like.
--   jwtd_owner  owns the database and its tables: it migrates
--   jwtd        the service: reads and writes rows, and nothing else; of schema_migrations it only reads, which `jwtd migrate` sees to
\set ON_ERROR_STOP on
\set QUIET on
SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['jwtd_owner', 'jwtd']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE jwtd_owner NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE jwtd NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

SELECT 'CREATE DATABASE jwtd OWNER jwtd_owner TEMPLATE template0 ENCODING ''UTF8'''
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'jwtd') \gexec
REVOKE ALL ON DATABASE jwtd FROM PUBLIC;
GRANT CONNECT ON DATABASE jwtd TO jwtd;

\connect jwtd
ALTER SCHEMA public OWNER TO jwtd_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO jwtd;
ALTER DEFAULT PRIVILEGES FOR ROLE jwtd_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO jwtd;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO jwtd;
SELECT 'REVOKE INSERT, UPDATE, DELETE ON schema_migrations FROM jwtd' WHERE to_regclass('schema_migrations') IS NOT NULL \gexec
