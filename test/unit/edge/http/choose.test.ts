import { describe, expect, it } from 'vitest'
import { chooseHttp, explainLoadFailure } from '../../../../src/edge/http/choose.js'
import type { UWebSockets } from '../../../../src/edge/http/uws.js'

const cause = new Error(
  "This version supports only some.\n\nError: /lib/libc.so.6: version `GLIBC_2.38' not found",
)
const failing = () => {
  throw cause
}
const loading = () => ({}) as UWebSockets

describe('the HTTP server of an edge', () => {
  it('is uWebSockets.js wherever that loads', () => {
    const { name, notice } = chooseHttp('auto', loading)
    expect([name, notice]).toEqual(['uws', undefined])
    expect(chooseHttp('uws', loading).name).toBe('uws')
  })

  it('is node:http elsewhere: reason, cost and remedy in one line', () => {
    const { name, notice } = chooseHttp('auto', failing)
    expect(name).toBe('node')
    expect(notice).toMatch(/^The edge runs on node:http, which takes about 1.6 times the CPU for a request: /)
    expect(notice).toContain(`Node ${process.version}`)
    expect(notice).toContain("(Error: /lib/libc.so.6: version `GLIBC_2.38' not found)")
    expect(notice).not.toContain('\n')
  })

  it('is node:http without a word where EDGE_HTTP asks for it, though the other loads', () => {
    const { name, notice } = chooseHttp('node', loading)
    expect([name, notice]).toEqual(['node', undefined])
  })

  it('is not replaced where EDGE_HTTP asks for uWebSockets.js', () => {
    expect(() => chooseHttp('uws', failing)).toThrow(
      expect.objectContaining({
        cause,
        message: expect.stringMatching(/^EDGE_HTTP=uws: .* Or set EDGE_HTTP=node\.$/),
      }),
    )
  })

  it('that does not load is explained: what was found, what is needed, what helps', () => {
    const found = explainLoadFailure({ node: 'v22.20.0', glibc: '2.36', system: 'linux x64' }, cause)
    expect(found).toContain('does not load on Node v22.20.0, glibc 2.36, linux x64')
    expect(found).toContain('glibc 2.27 with Node 20, and glibc 2.38 with Node 22 and 24')
    expect(found).toContain('Run it on Debian 13 or another system with glibc 2.38, or with Node 20.')
    const musl = explainLoadFailure({ node: 'v20.20.2', glibc: undefined, system: 'linux x64' }, 'no')
    expect(musl).toContain('Node v20.20.2, no glibc, linux x64 (no).')
  })
})
