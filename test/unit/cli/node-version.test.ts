import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { refuseNode } from '../../../src/cli/node-version.js'

describe('the version of Node', () => {
  it.each(['20.19.0', '20.20.2', '22.12.0', '24.21.0', '26.0.0'])('%s will do', (version) => {
    expect(refuseNode(version)).toBeUndefined()
  })

  it.each(['16.20.2', '18.20.8', '20.18.3'])('%s is too old, and the words say what to do', (version) => {
    expect(refuseNode(version)).toMatch(
      new RegExp(`^This is Node ${version}, and Tributary needs Node 20.19 or newer: .*npx -y -p node@24`),
    )
  })

  it('of the manifest is the same', () => {
    const { engines } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
    expect(engines).toEqual({ node: '^20.19 || ^22.12 || >=24' })
  })
})
