-- The roles of Gatehouse, run as superuser inside its database: one owns and migrates, another serves. Neither is
-- superuser or BYPASSRLS, so that row policies bind both; the third reads everything, to back it up, and writes nothing.
-- Passwords are set by who runs this file; without one nobody signs in.
create role gatehouse_owner login nosuperuser nobypassrls nocreatedb nocreaterole;
create role gatehouse login nosuperuser nobypassrls nocreatedb nocreaterole;
create role gatehouse_backup login nosuperuser bypassrls nocreatedb nocreaterole in role pg_read_all_data;
alter role gatehouse set lock_timeout = '2s';
alter role gatehouse set statement_timeout = '5s';
alter role gatehouse set idle_in_transaction_session_timeout = '10s';
alter schema public owner to gatehouse_owner;
revoke all on schema public from public;
create schema pgboss authorization gatehouse_owner; -- the jobs, beside schema public
grant usage on schema public to gatehouse;
alter default privileges for role gatehouse_owner in schema public grant select, insert, update, delete on tables to gatehouse;
alter default privileges for role gatehouse_owner in schema public grant usage on sequences to gatehouse;
