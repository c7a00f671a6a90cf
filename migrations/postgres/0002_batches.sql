-- What a batch of a worker depends on. Nothing of a session is taken for granted: a database, a role or another client
-- of a connection pooler may have set anything.

-- A fingerprint of a table's real columns: their names, types, NOT NULL, and what Postgres fills them with.
CREATE FUNCTION tributary.columns_of(checked_table text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT pg_catalog.md5(checked_table || coalesce(pg_catalog.string_agg(
    pg_catalog.concat_ws(' ', attname, atttypid, atttypmod, attnotnull, attgenerated, attidentity, adbin),
    ',' ORDER BY attnum), ''))
  FROM pg_catalog.pg_attribute LEFT JOIN pg_catalog.pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE attrelid = pg_catalog.to_regclass('tributary.' || pg_catalog.quote_ident(checked_table))
    AND attnum > 0 AND NOT attisdropped
$$;

-- Begins a batch, for each of its tables: sets up the transaction, and fails for a writer whose columns are not those
-- of the table, or not those of the last `tributary migrate`. The lock prevents changes of the layout until the batch
-- ends. The check is a separate statement, so that it sees what was committed while it waited for the lock; for that
-- the transaction must be READ COMMITTED.
CREATE PROCEDURE tributary.begin_batch(
  batch_table text, expected_generation integer, expected_columns text, statement_ms integer,
  lock_ms integer)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_catalog.set_config(setting, value, true) FROM (VALUES
    -- Postgres must read a text in the same way everywhere.
    ('TimeZone', 'UTC'), ('DateStyle', 'ISO, MDY'), ('IntervalStyle', 'postgres'), ('lc_monetary', 'C'),
    ('array_nulls', 'on'), ('xmloption', 'content'), ('standard_conforming_strings', 'on'),
    ('row_security', 'on'), ('statement_timeout', statement_ms::text), ('lock_timeout', lock_ms::text),
    -- The join looks each row up by its key, in the order of the keys. Postgres would choose to read the whole table
    -- while it takes it for small, also after it has grown.
    ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('enable_seqscan', 'off'), ('jit', 'off')
  ) AS settings (setting, value);
  -- What is acknowledged must survive a crash. Other values are as strict as "on", or stricter.
  IF pg_catalog.current_setting('synchronous_commit') = 'off' THEN
    PERFORM pg_catalog.set_config('synchronous_commit', 'on', true);
  END IF;
  PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('tributary.layout', 0));
  PERFORM FROM tributary.layout WHERE table_name = batch_table AND generation = expected_generation
    AND tributary.columns_of(batch_table) = expected_columns;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the columns of tributary.% have changed', batch_table USING ERRCODE = 'TR001';
  END IF;
END
$$;
