import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'

/** The folder of what runs beside Tributary. */
export const DEPLOY = join(import.meta.dirname, '../../deploy')

/** An alert as Prometheus has it. */
export interface Alert {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** A recording rule. */
export interface Recording {
  readonly record: string
  readonly expr: string
}

interface Groups<Rule> {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[]
}

/** A panel of the dashboard, as far as it is looked at. */
export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly datasource?: { readonly uid: string }
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[]
}

/** A dashboard of Grafana. */
export interface Dashboard {
  readonly uid: string
  readonly panels: readonly Panel[]
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: string | { readonly query: string } }[]
  }
  readonly annotations: { readonly list: readonly { readonly expr: string }[] }
}

/** A KEDA ScaledObject. */
export interface ScaledObject {
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly scaleTargetRef: { readonly name: string }
    readonly minReplicaCount: number
    readonly fallback?: object
    readonly triggers: readonly {
      readonly type: string
      readonly metadata: Readonly<Record<string, string>>
    }[]
  }
}

/** The text of a file in `deploy/`. */
export const readDeploy = (path: string) => readFileSync(join(DEPLOY, path), 'utf8')

/** Its one document. */
export const parseDeploy = <T>(path: string): T => parse(readDeploy(path), { merge: true }) as T

/** Its documents, as `kubectl` takes several in a file. */
export function parseManifests<T>(path: string): T[] {
  return parseAllDocuments(readDeploy(path)).flatMap((document) =>
    document.contents ? [document.toJS() as T] : [],
  )
}

/** All alerts, in order. */
export const readAlerts = () =>
  parseDeploy<Groups<Alert>>('prometheus/alerting.rules.yaml').groups.flatMap(({ rules }) => rules)

/** All recording rules, in order. */
export const readRecordings = () =>
  parseDeploy<Groups<Recording>>('prometheus/recording.rules.yaml').groups.flatMap(({ rules }) => rules)

/** The dashboard. */
export const readDashboard = () => JSON.parse(readDeploy('grafana/tributary.json')) as Dashboard

/** The scalers, by file. */
export const readScalers = () =>
  readdirSync(join(DEPLOY, 'keda')).map((file) => ({
    file,
    objects: parseManifests<ScaledObject>(`keda/${file}`),
  }))

/** PromQL, and where it stands. */
export interface Placed {
  readonly where: string
  readonly expr: string
}

/** Every query in `deploy/`. Of a variable of the dashboard: what `label_values` looks at, grouped by the label. */
export function readQueries(): Placed[] {
  const { panels, templating, annotations } = readDashboard()
  const variables = templating.list.flatMap(({ name, query }) => {
    const [, selector, label] =
      /^label_values\((.*), (\w+)\)$/.exec(typeof query === 'string' ? query : query.query) ?? []
    return selector ? [{ where: `variable ${name}`, expr: `max by (${label}) (${selector})` }] : []
  })
  return [
    ...readRecordings().map(({ record, expr }) => ({ where: record, expr })),
    ...readAlerts().map(({ alert, expr }) => ({ where: alert, expr })),
    ...panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ where: `panel ${title}`, expr })),
    ),
    ...variables,
    ...annotations.list.map(({ expr }) => ({ where: 'annotation', expr })),
    ...readScalers().flatMap(({ file, objects }) =>
      objects.flatMap(({ metadata, spec }) =>
        spec.triggers.flatMap((trigger) =>
          trigger.metadata.query ? [{ where: `${file} ${metadata.name}`, expr: trigger.metadata.query }] : [],
        ),
      ),
    ),
  ]
}
