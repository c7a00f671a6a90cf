import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Also where there are two cores: by default that would be one.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Some generate hundreds of cases: seconds of work where other processes have the machine.
          testTimeout: 60_000,
          globalSetup: ['test/support/curl.ts', 'test/support/promtool.ts'],
        },
      },
      {
        // The tests' own tools: a tool that is wrong makes every test that uses it worthless.
        test: { name: 'harness', include: ['test/harness/**/*.test.ts'], testTimeout: 60_000 },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/curl.ts', 'test/support/services.ts', 'test/support/promtool.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // The edge's tests once more, on its other HTTP server.
        test: {
          name: 'edge on node:http',
          include: ['test/integration/{edge-*,bytes,openapi,samples}.test.ts', 'test/fault/edge-*.test.ts'],
          globalSetup: ['test/support/curl.ts', 'test/support/services.ts', 'test/support/promtool.ts'],
          env: { EDGE_HTTP: 'node' },
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'fault',
          include: ['test/fault/**/*.test.ts'],
          globalSetup: ['test/support/promtool.ts', 'test/support/services.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          // They mostly wait; more at a time than two, and what they measure is each other.
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
