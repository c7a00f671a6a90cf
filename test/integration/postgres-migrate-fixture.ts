import { onTestFinished } from 'vitest'
import { type MigrateOptions, migratePostgres } from '../../src/sinks/postgres/migrate/migrate.js'
import { freshName } from '../support/fresh.js'
import { ENTITIES, type Fixture, NEVER } from './postgres-fixture.js'

/** Migrates with options of the test's own. @returns what was reported */
export async function migrate(
  { url }: Pick<Fixture, 'url'>,
  options: Partial<MigrateOptions> = {},
): Promise<string[]> {
  const lines: string[] = []
  const report = (line: string) => {
    lines.push(line)
  }
  await migratePostgres({ url, entities: ENTITIES, signal: NEVER, report, ...options })
  return lines
}

/** A role of the test's own, which may log in with its URL; gone when the test ends. */
export async function role({ url, ask }: Fixture, attributes = ''): Promise<{ name: string; url: string }> {
  const name = freshName('role')
  await ask(`CREATE ROLE ${name} LOGIN PASSWORD '${name}' ${attributes}`)
  onTestFinished(async () => {
    const [found] = await ask('SELECT FROM pg_roles WHERE rolname = $1', [name])
    if (!found) return
    // DROP OWNED leaves grants that another role than the owner has made.
    await ask('DROP VIEW IF EXISTS public.contacts CASCADE')
    await ask(`DROP OWNED BY ${name} CASCADE; DROP ROLE ${name}`)
  })
  const own = new URL(url)
  own.username = name
  own.password = name
  return { name, url: own.href }
}

/** All that owners can have made of `public.contacts`, as the catalog has it. */
export async function catalogOf({ ask }: Fixture): Promise<unknown> {
  const [found] = await ask(`
    SELECT relowner::regrole::text AS owner, reloptions AS options,
      (SELECT array_agg(item::text ORDER BY item::text) FROM unnest(relacl) AS item) AS grants,
      (SELECT jsonb_object_agg(attname, array(SELECT item::text FROM unnest(attacl) AS item ORDER BY 1)) FROM pg_attribute
        WHERE attrelid = c.oid AND attacl IS NOT NULL) AS column_grants,
      (SELECT jsonb_object_agg(coalesce(attname, ''), description) FROM pg_description
        LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid AND attnum > 0
        WHERE objoid = c.oid AND classoid = 'pg_class'::regclass) AS comments,
      (SELECT jsonb_object_agg(attname, pg_get_expr(adbin, adrelid)) FROM pg_attrdef
        JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = c.oid) AS defaults,
      (SELECT jsonb_object_agg(pg_get_triggerdef(oid), obj_description(oid, 'pg_trigger')) FROM pg_trigger
        WHERE tgrelid = c.oid) AS triggers,
      (SELECT jsonb_object_agg(pg_get_ruledef(oid), obj_description(oid, 'pg_rewrite')) FROM pg_rewrite
        WHERE ev_class = c.oid AND rulename <> '_RETURN') AS rules
    FROM pg_class c WHERE oid = to_regclass('public.contacts')`)
  return found
}

/** Makes something of every kind of `public.contacts`; nobody of the three is a superuser. */
export async function decorate(db: Fixture): Promise<{ owner: string; lead: string; reader: string }> {
  const [{ name: owner }, { name: lead }, { name: reader }] = [await role(db), await role(db), await role(db)]
  await db.ask(`
    GRANT CREATE ON SCHEMA public TO ${owner};
    GRANT USAGE ON SCHEMA tributary TO ${owner}; GRANT SELECT ON tributary.contacts TO ${owner}, ${reader};
    ALTER VIEW public.contacts OWNER TO ${owner};
    ALTER VIEW public.contacts SET (security_invoker = true, security_barrier = true, check_option = local);
    REVOKE DELETE ON public.contacts FROM ${owner};
    GRANT SELECT ON public.contacts TO ${lead} WITH GRANT OPTION; GRANT UPDATE ON public.contacts TO PUBLIC;
    GRANT INSERT (email, phone) ON public.contacts TO ${lead} WITH GRANT OPTION;
    SET ROLE ${lead};
    GRANT SELECT ON public.contacts TO ${reader}; GRANT INSERT (email) ON public.contacts TO ${reader};
    RESET ROLE;
    COMMENT ON VIEW public.contacts IS E'it''s \\\\ours'; COMMENT ON COLUMN public.contacts.email IS 'personal';
    ALTER VIEW public.contacts ALTER COLUMN status SET DEFAULT E'n\\\\ew';
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER refuse INSTEAD OF DELETE ON public.contacts FOR EACH ROW EXECUTE FUNCTION public.refuse();
    COMMENT ON TRIGGER refuse ON public.contacts IS 'none';
    CREATE RULE quiet AS ON INSERT TO public.contacts DO INSTEAD NOTHING;
    COMMENT ON RULE quiet ON public.contacts IS 'silence';
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT DELETE ON TABLES TO ${reader}`)
  return { owner, lead, reader }
}
