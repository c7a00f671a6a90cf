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
          globalSetup: ['test/support/curl.ts', 'test/support/promtool.ts'],
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/curl.ts', 'test/support/services.ts', 'test/support/promtool.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        // The edge's tests once more, on its other HTTP server.
        test: {
          name: 'edge on node:http',
          include: [
            'test/{integration,fault}/edge-*.test.ts',
            'test/integration/{bytes,openapi,samples}.test.ts',
          ],
          globalSetup: ['test/support/curl.ts', 'test/support/services.ts', 'test/support/promtool.ts'],
          env: { EDGE_HTTP: 'node' },
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'fault',
          include: ['test/fault/**/*.test.ts'],
          globalSetup: ['test/support/promtool.ts', 'test/support/services.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          // They mostly wait; more at a time than two, and what they measure is each other.
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
