import { aptInstall, canApt } from '../../src/dev/services/apt.js'
import { versionOf } from '../../src/dev/services/run.js'

/** The curl lines that we print are pasted into a shell by the tests: curl has to be there. */
export default async function setup(): Promise<void> {
  const { signal } = new AbortController()
  if ((await versionOf('curl', signal)) !== undefined) return
  if (!(await canApt(signal)))
    throw new Error('The tests need curl, and only root with apt-get can install it: install it')
  const report = (line: string) => process.stderr.write(`${line}\n`)
  await aptInstall('curl', { home: '', report, signal })
}
