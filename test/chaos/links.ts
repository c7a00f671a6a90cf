import type { Service } from '../../src/dev/services/service.js'
import { startProxy, type TcpProxy } from '../support/proxy.js'

/** The connections of a run, each through a proxy of its own, by names like `postgres-1>redis`. */
export class Links {
  readonly #proxies = new Map<string, TcpProxy>()

  /** Their names. */
  get names(): readonly string[] {
    return [...this.#proxies.keys()]
  }

  /** The proxy of a connection. @throws Error where there is none of this name */
  get(name: string): TcpProxy {
    const proxy = this.#proxies.get(name)
    if (!proxy) throw new Error(`There is no connection ${name}`)
    return proxy
  }

  /** Puts a proxy in front of a port of this machine. */
  async add(name: string, port: number): Promise<TcpProxy> {
    const proxy = await startProxy({ host: '127.0.0.1', port })
    this.#proxies.set(name, proxy)
    return proxy
  }

  /** Puts a proxy between a process and a server. @returns the URL that the process is to use */
  async between(member: string, server: Service): Promise<string> {
    const url = new URL(server.url)
    const proxy = await this.add(`${member}>${server.name}`, Number(url.port))
    url.port = String(proxy.port)
    return url.href
  }

  async close(): Promise<void> {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.close()))
  }
}
