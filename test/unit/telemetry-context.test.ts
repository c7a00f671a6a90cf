import { context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api'
import { expect, onTestFinished, test } from 'vitest'
import { readConfig } from '../../src/config.js'
import { startTelemetry } from '../../src/telemetry/sdk.js'
import { recordedLog } from '../support/log.js'

test('the context does not follow a promise: an AsyncLocalStorage would make every promise more expensive', async () => {
  const config = readConfig({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:9/v1/traces' })
  const telemetry = startTelemetry(config, ['postgres'], recordedLog().log)
  onTestFinished(() => telemetry.close())
  const key = createContextKey('test')
  const values = await context.with(ROOT_CONTEXT.setValue(key, 'set'), async () => {
    const before = context.active().getValue(key)
    await Promise.resolve()
    return [before, context.active().getValue(key)]
  })
  expect(values).toEqual(['set', undefined])
})
