import { describe, expect, it } from 'vitest'
import { explainLoadFailure, loadUWebSockets } from '../../src/edge/uwebsockets.js'

describe('uWebSockets.js', () => {
  it('loads here', () => {
    expect(loadUWebSockets().App).toBeTypeOf('function')
  })

  it('that does not load is explained: what, found, needed, remedy, cause', () => {
    const cause = new Error("/lib/libc.so.6: version `GLIBC_2.38' not found")
    const load = () => {
      throw cause
    }
    expect(() => loadUWebSockets(load)).toThrow(
      expect.objectContaining({ cause, message: expect.stringContaining(`Found: Node ${process.version}`) }),
    )
    const message = explainLoadFailure({ node: 'v22.20.0', glibc: '2.36', system: 'linux x64' }, cause)
    expect(message).toContain('uWebSockets.js (npm package "uwebsockets") cannot be loaded')
    expect(message).toContain('Found: Node v22.20.0, glibc 2.36, linux x64.')
    expect(message).toContain(
      'on Node 20 with glibc 2.27 or newer, on Node 22 and newer with glibc 2.38 or newer',
    )
    expect(message).toContain('use Node 20, or install the official build by tag from its own repository')
    expect(message).toContain(cause.message)
  })

  it('says so where there is no glibc at all', () => {
    const found = explainLoadFailure({ node: 'v20.20.2', glibc: undefined, system: 'linux x64' }, 'no')
    expect(found).toContain('Found: Node v20.20.2, no glibc, linux x64.')
  })
})
