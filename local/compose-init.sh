#!/bin/bash
# Run once by the PostgreSQL of docker-compose.yml, when its volume is new.
set -euo pipefail
folder=$(dirname "${BASH_SOURCE[0]}")
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --single-transaction \
  --username="${POSTGRES_USER:-postgres}" --dbname=gatehouse --set=roles="$folder/roles.sql.part" --file=- <<'SQL'
\getenv owner_password GATEHOUSE_OWNER_PASSWORD
\getenv password GATEHOUSE_PASSWORD
\i :roles
alter role gatehouse_owner password :'owner_password';
alter role gatehouse password :'password';
SQL
