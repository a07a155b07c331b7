-- Roles of a private development cluster; may be run again. jwtd_owner owns the schema and migrates; jwtd serves, and may neither
-- create nor alter anything. A production database wants the same two roles.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'jwtd_owner') THEN
        CREATE ROLE jwtd_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'jwtd') THEN
        CREATE ROLE jwtd LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
END
$$;
SELECT 'CREATE DATABASE jwtd OWNER jwtd_owner' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'jwtd')
\gexec
\connect jwtd
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO jwtd_owner;
GRANT USAGE ON SCHEMA public TO jwtd;
ALTER DEFAULT PRIVILEGES FOR ROLE jwtd_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO jwtd;
ALTER DEFAULT PRIVILEGES FOR ROLE jwtd_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO jwtd;
