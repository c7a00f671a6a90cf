import { setTimeout as sleep } from 'node:timers/promises'
import { dataAction } from '../../schemas/data-action.js'
import { RawConnection, send, signed } from './edge.js'

/** What an abused edge did for somebody who behaves well. */
export interface Bystander {
  /** Stops sending. @throws Error unless everything was answered 202 */
  end(): Promise<{
    /** The places of what was acknowledged. */
    readonly places: string[]
    /** The longest that it waited for an answer, in ms. */
    readonly slowest: number
  }>
}

/** Sends a good request at a time, each on a connection of its own, until it is ended. */
export function bystander(port: number): Bystander {
  let going = true
  const places: string[] = []
  let slowest = 0
  const run = async () => {
    for (let i = 0; going; i++) {
      const body = `{"id":"good-${i}","type":"t"}`
      const since = performance.now()
      const answer = await send(port, dataAction.path, body, { headers: signed(dataAction, body) })
      slowest = Math.max(slowest, performance.now() - since)
      if (answer.status !== 202)
        throw new Error(`the bystander was answered ${answer.status}: ${answer.text}`)
      places.push(String(answer.headers['tributary-entry']))
      await sleep(50)
    }
  }
  const running = run()
  running.catch(() => undefined)
  return {
    end: async () => {
      going = false
      await running
      return { places, slowest }
    },
  }
}

/** Opens connections, some at a time so that none waits for the server to accept it. */
export async function crowd(port: number, size: number): Promise<RawConnection[]> {
  const all: RawConnection[] = []
  while (all.length < size) {
    const some = Array.from({ length: Math.min(200, size - all.length) }, () => new RawConnection(port))
    await Promise.all(some.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))))
    all.push(...some)
  }
  return all
}

/** The places of everything that was acknowledged on some connections. */
export function acknowledged(connections: readonly RawConnection[]): string[] {
  return connections.flatMap(({ received }) => received.match(/(?<=Tributary-Entry: )\S+/g) ?? [])
}
