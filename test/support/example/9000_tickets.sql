CREATE TABLE tributary.tickets (
  id text PRIMARY KEY,
  subject text,
  priority integer,
  assigned_to text,
  extra jsonb,
  _version text COLLATE "C" NOT NULL,
  _field_versions jsonb,
  _deleted_at timestamptz
);
