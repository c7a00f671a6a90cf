import type { Alert } from './deploy-files.js'

const HEAD = `# Alerts

What each alert of [deploy/prometheus/alerting.rules.yaml](../deploy/prometheus/alerting.rules.yaml) means, what to look
at, and what to do. A *page* wakes a person, a *ticket* waits for the morning. This page is generated from the rules
(\`npx vitest run test/harness/alerts-page.test.ts -u\`): change the rules, not the page.

Three things help with every alert: \`tributary status\` (how far each group is), \`/readyz\` of the role on its
\`ADMIN_PORT\` (why it cannot work), and the dashboard. No event that got a 202 is lost while an alert fires: it waits in
the log. [backpressure.md](backpressure.md) says how long there is room for it.
`

/** docs/alerts.md: a table of all alerts, and a section for each. */
export function alertsPage(alerts: readonly Alert[]): string {
  const rows = alerts.map(
    ({ alert, labels, annotations }) =>
      `| [${alert}](#${alert.toLowerCase()}) | ${labels.severity} | ${plain(annotations.description ?? '')} |`,
  )
  return [HEAD, '| alert | | |\n|---|---|---|', ...rows, '', ...alerts.map(section)].join('\n')
}

function section({ alert, expr, for: wait, labels, annotations }: Alert): string {
  const steps = (annotations.runbook ?? '').trim().split('\n')
  const list = steps.map((step) => step.replace(/^(\w+): (.)/, (_, verb, first) => `- **${verb}:** ${first}`))
  return [
    `## ${alert}`,
    '',
    `${labels.severity}${wait ? `, after ${wait}` : ''}: ${plain(annotations.summary ?? '')}.`,
    '',
    '```promql',
    expr.trim(),
    '```',
    '',
    ...list,
    '',
  ].join('\n')
}

/** Of a template of Prometheus: what stands for a value, without its formatting. */
function plain(template: string): string {
  return template
    .replace(/\{\{ \$labels\.(\w+) \}\}/g, '<$1>')
    .replace(/\{\{ \$value[^}]*\}\}/g, '<value>')
    .replace(/<(\w+)>/g, '`<$1>`')
}
