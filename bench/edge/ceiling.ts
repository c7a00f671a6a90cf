import { createRequire } from 'node:module'
import { ACCEPTED } from '../../src/edge/answer.js'
import type { UWebSockets } from '../../src/edge/http/uws.js'

/** The ceiling: uWebSockets.js that reads the body and answers. It checks nothing and keeps nothing. */
const uws = createRequire(import.meta.url)('uWebSockets.js') as UWebSockets
uws
  .App()
  .post('/*', (res) => {
    res.onAborted(() => undefined)
    res.onData((_chunk, isLast) => {
      if (!isLast) return
      res.writeStatus('202 Accepted').writeHeader('Content-Type', 'application/json').end(ACCEPTED)
    })
  })
  .listen('127.0.0.1', 0, (socket) => {
    if (!socket) throw new Error('the ceiling has no port')
    process.send?.(uws.us_socket_local_port(socket))
  })
