import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP proxy on 127.0.0.1 that a test can make into a bad network. */
export interface TcpProxy {
  /** What clients connect to instead of the target. */
  readonly port: number
  /** Resets every connection, and each new one at once, until {@link TcpProxy.restore}. */
  cut(): void
  /** Keeps and accepts connections, but carries nothing either way, until {@link TcpProxy.thaw}; nothing gets lost. */
  freeze(): void
  /** Ends a {@link TcpProxy.freeze}: what has piled up goes on its way. */
  thaw(): void
  /** Carries everything so much later, in ms, in each direction; 0 ends it. */
  delay(ms: number): void
  /**
   * What clients send arrives, what the target answers vanishes, until {@link TcpProxy.restore}: that resets the
   * connections that have lost something, as a network does that is back too late.
   */
  dropReplies(): void
  /** Ends all of the above. */
  restore(): void
  /** Ends all connections and stops to listen. */
  close(): Promise<void>
}

/** One connection through the proxy. */
interface Link {
  readonly client: Socket
  readonly target: Socket
  /** Whether bytes of the target have been swallowed. */
  lossy: boolean
}

interface Weather {
  isCut: boolean
  isFrozen: boolean
  dropsReplies: boolean
  delayMs: number
}

/** Starts a proxy on a free port. Connects to the target once for each connection of a client. */
export async function startProxy(target: {
  readonly host: string
  readonly port: number
}): Promise<TcpProxy> {
  const weather: Weather = { isCut: false, isFrozen: false, dropsReplies: false, delayMs: 0 }
  const links = new Set<Link>()
  const reset = ({ client, target }: Link) => {
    client.resetAndDestroy()
    target.destroy()
  }
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (weather.isCut) {
      client.on('error', ignore)
      client.resetAndDestroy()
      return
    }
    const link = { client, target: connect({ ...target, allowHalfOpen: true, noDelay: true }), lossy: false }
    links.add(link)
    join(link, weather)
    link.target.once('close', () => links.delete(link))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const flow = (on: boolean) => {
    weather.isFrozen = !on
    for (const { client, target } of links) {
      for (const socket of [client, target]) on ? socket.resume() : socket.pause()
    }
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      weather.isCut = true
      for (const link of links) reset(link)
    },
    freeze: () => flow(false),
    thaw: () => flow(true),
    delay(ms) {
      weather.delayMs = ms
    },
    dropReplies() {
      weather.dropsReplies = true
    },
    restore() {
      Object.assign(weather, { isCut: false, dropsReplies: false, delayMs: 0 })
      for (const link of links) if (link.lossy) reset(link)
      flow(true)
    },
    async close() {
      for (const link of links) reset(link)
      await new Promise((closed) => server.close(closed))
    },
  }
}

function join(link: Link, weather: Weather): void {
  const { client, target } = link
  const isSwallowed = () => {
    if (weather.dropsReplies) link.lossy = true
    return weather.dropsReplies
  }
  carry(client, target, weather, () => false)
  carry(target, client, weather, isSwallowed)
  for (const [one, other] of [
    [client, target],
    [target, client],
  ] as const) {
    // A refused, reset or timed out side resets the other, as without a proxy in between.
    one.on('error', () => other.resetAndDestroy())
    one.on('close', () => {
      if (!one.readableEnded) other.destroy()
    })
  }
}

/** Carries what one side sends to the other, in order, each piece when it is due. */
function carry(from: Socket, to: Socket, weather: Weather, isSwallowed: () => boolean): void {
  // A timer for each piece, but whichever fires takes the first of the queue: timers are not exact, order has to be.
  const waiting: (() => void)[] = []
  let due = 0
  const later = (work: () => void) => {
    const now = performance.now()
    due = Math.max(due, now + weather.delayMs)
    if (waiting.length === 0 && due <= now) return work()
    waiting.push(work)
    setTimeout(() => waiting.shift()?.(), due - now)
  }
  from.on('data', (piece) => {
    if (isSwallowed()) return
    later(() => {
      if (to.writable && !to.write(piece)) from.pause()
    })
  })
  from.on('end', () => later(() => to.end()))
  to.on('drain', () => {
    if (!weather.isFrozen) from.resume()
  })
  if (weather.isFrozen) from.pause()
}

function ignore(): void {
  // The connection is being refused.
}
