-- A small shop with stories to tell: text, JSON, bytes, foreign keys, an enum, a materialised view, a migration head.
-- :users, :orders and :stories are replaced by numbers.
create extension if not exists pgcrypto;
create table alembic_version (version_num varchar(32) primary key);
insert into alembic_version values ('7c1f0e9a4b21');

create type order_status as enum ('open', 'paid', 'shipped', 'returned');

create table users (
  id bigint generated always as identity primary key,
  email text not null unique,
  name text not null,
  created_at timestamptz not null
);

create table orders (
  id bigint generated always as identity primary key,
  user_id bigint not null references users,
  status order_status not null,
  total_cents int not null,
  note text,
  details jsonb not null,
  created_at timestamptz not null
);

create table stories (
  id bigint generated always as identity primary key,
  user_id bigint not null references users,
  title text not null,
  body text not null,
  cover bytea,
  created_at timestamptz not null
);

-- A pool of paragraphs, so that text is varied without taking long to make.
create temp table pool as
  select n, string_agg((array[
    'the','last','good','backup','is','one','that','somebody','restored','and','looked','at','while','night','was','quiet',
    'servers','hummed','in','rows','of','green','light','until','morning','came','with','coffee','news','from','harbour',
    'ships','carrying','letters','to','people','who','waited','for','them','by','old','stone','bridge','where','river',
    'bends','slowly','under','willow'])[1 + floor(random() * 50)::int], ' ') as text
  from generate_series(1, 12000) n, generate_series(1, 60) w
  where n > 0 and w > 0
  group by n;
create index on pool (n);

insert into users (email, name, created_at)
  select 'user' || n || '@example.com', 'User ' || n, now() - random() * interval '900 days'
  from generate_series(1, :users) n;

insert into orders (user_id, status, total_cents, note, details, created_at)
  select 1 + floor(random() * :users)::bigint,
         (enum_range(null::order_status))[1 + floor(random() * 4)::int],
         (random() * 50000)::int,
         md5(n::text),
         jsonb_build_object('sku', md5(random()::text), 'quantity', 1 + n % 7, 'gift', n % 11 = 0),
         now() - random() * interval '400 days'
  from generate_series(1, :orders) n;

insert into stories (user_id, title, body, cover, created_at)
  select 1 + floor(random() * :users)::bigint,
         'Story ' || s.n,
         a.text || e'\n' || b.text || e'\n' || c.text,
         case when s.n % 10 = 0 then gen_random_bytes(1024) end,
         now() - random() * interval '400 days'
  from (
    select n, 1 + floor(random() * 12000)::int x, 1 + floor(random() * 12000)::int y, 1 + floor(random() * 12000)::int z
    from generate_series(1, :stories) n
  ) s
  join pool a on a.n = s.x join pool b on b.n = s.y join pool c on c.n = s.z;

create index on orders (user_id);
create index on orders (created_at);
create index on stories (user_id);
create materialized view revenue as select status, count(*) as orders, sum(total_cents) as cents from orders group by status;
create role shop_app;
create role shop_reporting;
grant select, insert, update on users, orders, stories to shop_app;
grant select on all tables in schema public to shop_reporting;
analyze;
