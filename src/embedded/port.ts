import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * A port of 127.0.0.1 that nobody listens on now.
 * @param wanted a certain one, or 0 for any
 * @throws Error that names the port, when it is taken or not allowed
 */
export async function freePort(wanted = 0): Promise<number> {
  const server = createServer()
  try {
    server.listen(wanted, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the probe has no port')
    return address.port
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    throw new Error(`Port ${wanted} of 127.0.0.1 cannot be used (${cause}). Free it, or choose another.`)
  } finally {
    server.close()
  }
}

/** Whether somebody listens on a port of 127.0.0.1: at once, where a client would try again and again. */
export async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
