-- Rows are in schema tributary, with the bookkeeping that the join of states needs; readers use the views of the
-- same names in schema public, which `tributary migrate` makes from the tables' real columns.
-- Every statement names its schema: nothing here depends on search_path.

-- The columns that events are written to, as of the last `tributary migrate`. All workers use this record, so that
-- they switch to a new column at once, when the values of its field have been moved there from `extra`.
CREATE TABLE tributary.layout (
  table_name text PRIMARY KEY,
  generation integer NOT NULL,
  columns jsonb NOT NULL
);

-- Begins a batch: its lock prevents changes of the layout until the batch ends. Fails for a writer with an old layout.
-- The check is a separate statement, so that it sees what was committed while it waited for the lock.
CREATE PROCEDURE tributary.expect_layout(expected_table text, expected_generation integer)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('tributary.layout', 0));
  PERFORM FROM tributary.layout
    WHERE table_name = expected_table AND generation = expected_generation;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the layout of tributary.% has changed', expected_table USING ERRCODE = 'TR001';
  END IF;
END
$$;

-- Bookkeeping columns of every table:
--   extra            fields without a column
--   _version         version of the newest snapshot or delete; empty while only patches have come
--   _field_versions  { column or field in extra: version } for those newer than _version
--   _deleted_at      when it was deleted, by the event's timestamp; a deleted row is not in the view
CREATE TABLE tributary.contacts (
  id text PRIMARY KEY,
  external_id text,
  first_name text,
  last_name text,
  email text,
  phone text,
  status text,
  extra jsonb,
  _version text COLLATE "C" NOT NULL,
  _field_versions jsonb,
  _deleted_at timestamptz
) WITH (fillfactor = 85);

CREATE TABLE tributary.interactions (
  id text PRIMARY KEY,
  contact_id text,
  channel text,
  direction text,
  status text,
  queue_name text,
  agent_id text,
  disposition_code text,
  started_at timestamptz,
  ended_at timestamptz,
  duration_seconds integer,
  extra jsonb,
  _version text COLLATE "C" NOT NULL,
  _field_versions jsonb,
  _deleted_at timestamptz
) WITH (fillfactor = 85);

CREATE TABLE tributary.contact_records (
  id text PRIMARY KEY,
  external_id text,
  first_name text,
  last_name text,
  email text,
  updated_ts timestamptz,
  sync_status text DEFAULT 'pending',
  extra jsonb,
  _version text COLLATE "C" NOT NULL,
  _field_versions jsonb,
  _deleted_at timestamptz
) WITH (fillfactor = 85);

-- For the purge of tombstones.
CREATE INDEX contacts_deleted ON tributary.contacts (_deleted_at) WHERE _deleted_at IS NOT NULL;
CREATE INDEX interactions_deleted ON tributary.interactions (_deleted_at) WHERE _deleted_at IS NOT NULL;
CREATE INDEX contact_records_deleted ON tributary.contact_records (_deleted_at) WHERE _deleted_at IS NOT NULL;
