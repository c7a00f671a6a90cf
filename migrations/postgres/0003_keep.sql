-- What `tributary migrate` has to remember from one run to the next.

-- { column: values of its fields that did not fit its type, and stay in extra }: they are tried again when the type
-- changes, or when there are more of them.
ALTER TABLE tributary.layout ADD COLUMN kept jsonb NOT NULL DEFAULT '{}';

-- The columns of the view for readers, as it was made: one with other columns is its owner's, and is not overwritten.
ALTER TABLE tributary.layout ADD COLUMN view_columns text[];

-- What the owners had made of the views that `tributary migrate --drop-views` dropped: the next run gives it back.
CREATE TABLE tributary.kept_views (
  view_name text PRIMARY KEY,
  keepsakes jsonb NOT NULL,
  dropped_at timestamptz NOT NULL DEFAULT now()
);
