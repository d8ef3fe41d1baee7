//! A database as teams have them, and a fingerprint that tells whether two are the same.

use super::Cluster;

/// A password and a row of data that must never leave the database: see R45.
pub const CANARY_ROW: &str = "canary-row-4f6b2a";

/// The SQL that makes it: a foreign-key graph, an enum, jsonb, bytea, generated columns, a partitioned table, a
/// materialised view, sequences, large objects, extensions, roles with grants and a migration table.
pub fn sql(rows: u32) -> String {
    let users = (rows / 4).max(10);
    format!(
        r#"
do $$ begin
  if not exists (select from pg_roles where rolname = 'shop_owner') then
    create role shop_owner nologin;
    create role shop_reader nologin;
    create role shop_app login password 'app-canary-pw' in role shop_reader;
  end if;
end $$;
create extension if not exists pgcrypto;
create extension if not exists pg_trgm;
create schema accounts;
create schema "Odd Names";
create type public.order_state as enum ('new', 'paid', 'shipped', 'returned');
create table accounts.users (
  id bigint generated always as identity primary key,
  email text not null unique,
  name text,
  joined timestamptz not null,
  name_length int generated always as (length(name)) stored
);
create table public.products (
  id serial primary key, title text not null, price numeric(10,2) not null, tags text[] not null default '{{}}'
);
create table public.orders (
  id bigserial primary key,
  user_id bigint not null references accounts.users (id),
  state public.order_state not null,
  body jsonb not null,
  receipt bytea,
  note text,
  created_at timestamptz not null
);
create table public.order_items (
  order_id bigint not null references public.orders (id) on delete cascade,
  product_id int not null references public.products (id),
  quantity int not null check (quantity > 0),
  primary key (order_id, product_id)
);
create table public.events (at timestamptz not null, kind text, payload jsonb) partition by range (at);
create table public.events_2025 partition of public.events for values from ('2025-01-01') to ('2026-01-01');
create table public.events_2026 partition of public.events for values from ('2026-01-01') to ('2027-01-01');
create table public.empty_table (id int);
create unlogged table public.sessions (token text, seen timestamptz);
create table "Odd Names"."My ""Table"" ☃" ("select" int, "späße" text);
create table public.alembic_version (version_num varchar(32) not null primary key);
create sequence public.invoice_numbers start 1000;

insert into accounts.users (email, name, joined)
  select 'user' || i || '@example.com', case when i % 7 = 0 then null else 'Name ' || md5(i::text) end,
         timestamptz '2025-01-01' + i * interval '37 minutes' from generate_series(1, {users}) i;
insert into accounts.users (email, name, joined) values ('{CANARY_ROW}@example.com', '{CANARY_ROW}', '2025-01-01');
insert into public.products (title, price, tags)
  select 'Product ' || i, (i * 1.37)::numeric(10,2), array['tag' || i % 5, 'x'] from generate_series(1, 50) i;
insert into public.orders (user_id, state, body, receipt, note, created_at)
  select 1 + i % {users}, (array['new','paid','shipped','returned'])[1 + i % 4]::public.order_state,
         jsonb_build_object('n', i, 'memo', md5(i::text) || md5((i * 7)::text), 'nested', jsonb_build_array(1, null, 'ü')),
         case when i % 3 = 0 then decode(md5(i::text) || md5((i + 1)::text), 'hex') end,
         case when i % 11 = 0 then e'tab\tline\nback\\slash "quote" \'\'' else repeat('words of a note ', 1 + i % 6) end,
         timestamptz '2025-06-01' + i * interval '5 minutes'
  from generate_series(1, {rows}) i;
insert into public.order_items select o.id, 1 + o.id % 50, 1 + o.id % 9 from public.orders o;
insert into public.events select timestamptz '2025-03-01' + i * interval '3 hours', 'kind' || i % 3, '{{"a": 1}}'
  from generate_series(1, {rows} / 2 + 100) i where timestamptz '2025-03-01' + i * interval '3 hours' < '2027-01-01';
insert into public.sessions values ('not worth keeping', now());
insert into "Odd Names"."My ""Table"" ☃" values (1, 'grün'), (2, null), (3, e'\\.');
insert into public.alembic_version values ('9f3c1b7ad2e4');
select setval('public.invoice_numbers', 4711);
select lo_from_bytea(0, decode(repeat('deadbeef', 3000), 'hex')), lo_from_bytea(0, ''::bytea);
create index orders_note_trgm on public.orders using gin (note gin_trgm_ops);
create index orders_created on public.orders (created_at);
create materialized view public.revenue as
  select date_trunc('day', o.created_at) as day, sum(i.quantity * p.price) as total
  from public.orders o join public.order_items i on i.order_id = o.id join public.products p on p.id = i.product_id group by 1;
create view public.open_orders as select * from public.orders where state = 'new';
create function public.touch() returns trigger language plpgsql as $$ begin new.note := coalesce(new.note, ''); return new; end $$;
create trigger touch before update on public.orders for each row execute function public.touch();
alter table public.orders owner to shop_owner;
grant usage on schema accounts to shop_reader;
grant select on all tables in schema public, accounts to shop_reader;
comment on table public.orders is 'what people bought; it''s precious';
analyze;
"#
    )
}

/// SQL that puts a table under row security which even its owner obeys.
pub const FORCED_ROW_SECURITY: &str = "
create table public.tenants (id int primary key, tenant text not null, secret text);
insert into public.tenants values (1, 'a', 'x'), (2, 'b', 'y'), (3, 'b', 'z');
alter table public.tenants enable row level security;
alter table public.tenants force row level security;
create policy own on public.tenants using (tenant = current_user);
";

/// Returns a text that is the same for equal contents.
pub async fn fingerprint(cluster: &Cluster, database: &str) -> String {
    let tables = cluster
        .sql(
            database,
            "select format('%I.%I', n.nspname, c.relname), c.relpersistence from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') order by 1",
        )
        .await;
    let mut lines = Vec::new();
    for table in tables.iter().filter_map(|row| row[0].as_deref()) {
        let digest = cluster
            .cell(
                database,
                &format!(
                    "select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text collate \"C\")), '-') from {table} t"
                ),
            )
            .await;
        lines.push(format!("{table} {digest}"));
    }
    for row in cluster.sql(database, "select schemaname || '.' || sequencename, last_value::text from pg_sequences order by 1").await {
        lines.push(format!("{row:?}"));
    }
    for row in cluster.sql(database, "select md5(lo_get(oid)), count(*) from pg_largeobject_metadata group by 1 order by 1").await {
        lines.push(format!("large object {row:?}"));
    }
    for row in cluster
        .sql(
            database,
            "select extname || ' ' || extversion from pg_extension union all select 'enum ' || enumlabel from pg_enum order by 1",
        )
        .await
    {
        lines.push(format!("{row:?}"));
    }
    lines.join("\n")
}
