import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A collector that takes everything and keeps nothing: what it costs is the exporter's, not its own. */
const server = createServer((request, response) => {
  request
    .resume()
    .once('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end())
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
