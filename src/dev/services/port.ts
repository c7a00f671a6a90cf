import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Below those that systems give to outgoing connections: none of these takes a port before its server has it. */
const [LOWEST, HIGHEST] = [15_000, 32_000]
/** So many ports are looked at. */
const ATTEMPTS = 100

/**
 * A port that no process listens on now.
 * @param wanted a certain one, or 0 for any
 * @param host address that it is for
 * @throws Error that names the port, when it is taken or not allowed
 */
export async function freePort(wanted = 0, host = '127.0.0.1'): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = wanted === 0 ? randomInt(LOWEST, HIGHEST) : wanted
    try {
      await tryPort(port, host)
      return port
    } catch (error) {
      if (wanted === 0 && attempt < ATTEMPTS) continue
      const cause = error instanceof Error ? error.message : String(error)
      throw new Error(`Port ${port} of ${host} cannot be used (${cause}). Free it, or choose another.`)
    }
  }
}

async function tryPort(port: number, host: string): Promise<void> {
  const server = createServer().listen(port, host)
  await once(server, 'listening')
  server.close()
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
