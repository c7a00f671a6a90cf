import { reason, type Service } from './service.js'

/**
 * A server that was not started by Tributary. It is pinged once, and never stopped or signalled.
 * @param variable the variable that has its URL, for messages
 * @param ping must reject when the server does not answer
 * @throws Error that names the variable and the cause, when the server does not answer
 */
export async function existing(
  name: Service['name'],
  variable: string,
  url: string,
  ping: (url: string) => Promise<void>,
): Promise<Service> {
  try {
    await ping(url)
  } catch (error) {
    throw new Error(
      `${variable} is set to ${withoutPassword(url)}, but that server does not answer: ${reason(error)}. ` +
        `Start it, correct ${variable}, or unset it to have a server started for you.`,
      { cause: error },
    )
  }
  const refuse = (what: string): never => {
    throw new Error(
      `${name} at ${withoutPassword(url)} was not started by Tributary, which therefore does not ${what} it`,
    )
  }
  return {
    name,
    url,
    pid: undefined,
    chose: `${name} at ${withoutPassword(url)}, as ${variable} says`,
    stop: async () => {},
    kill: async () => refuse('kill'),
    start: async () => refuse('start'),
    pause: () => refuse('pause'),
    resume: () => refuse('resume'),
  }
}

/** The URL with its password, where it has one, replaced by `***`. */
export function withoutPassword(url: string): string {
  return url.replace(/(:\/\/[^:@/]*):[^@/]*@/, '$1:***@')
}
