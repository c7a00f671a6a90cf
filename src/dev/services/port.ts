import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Below the ports that systems use for outgoing connections, so that none of those takes a port before our server. */
const [LOWEST, HIGHEST] = [15_000, 32_000]
/** Most ports that are tried. */
const ATTEMPTS = 100

/**
 * A port that no process listens on now.
 * @param wanted a certain port, or 0 for any
 * @param host address on which the port must be free
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

/** Whether a process listens on a port of 127.0.0.1. Answers at once, while a client would retry for some time. */
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
