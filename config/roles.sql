-- The roles and the database of jwtd; run by a superuser with psql, as often as you like.
--   jwtd_owner  owns the database and its tables: it migrates
--   jwtd        the service: reads and writes rows, and nothing else; of schema_migrations it only reads, which `jwtd migrate` sees to
-- They get the passwords in JWTD_OWNER_PASSWORD and JWTD_PASSWORD of the environment. Without one a role keeps the password that it has;
-- a role that has none can only come in where pg_hba.conf asks for no password.
\set ON_ERROR_STOP on
\set QUIET on
\set owner_password `printf %s "$JWTD_OWNER_PASSWORD"`
\set password `printf %s "$JWTD_PASSWORD"`
SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['jwtd_owner', 'jwtd']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE jwtd_owner NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE jwtd NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
-- so that the server's log does not keep the passwords
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET password_encryption = 'scram-sha-256';
SELECT format('ALTER ROLE jwtd_owner PASSWORD %L', :'owner_password') WHERE :'owner_password' <> '' \gexec
SELECT format('ALTER ROLE jwtd PASSWORD %L', :'password') WHERE :'password' <> '' \gexec

SELECT 'CREATE DATABASE jwtd OWNER jwtd_owner TEMPLATE template0 ENCODING ''UTF8'''
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'jwtd') \gexec
REVOKE ALL ON DATABASE jwtd FROM PUBLIC;
GRANT CONNECT ON DATABASE jwtd TO jwtd;

\connect jwtd
ALTER SCHEMA public OWNER TO jwtd_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO jwtd;
ALTER DEFAULT PRIVILEGES FOR ROLE jwtd_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO jwtd;
