/** The oldest Node that Tributary runs on. */
const OLDEST = [20, 19] as const

/** The message for a version of Node that is too old; `undefined` where it is new enough. @param version `20.20.2` */
export function refuseNode(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [oldestMajor, oldestMinor] = OLDEST
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined
  return (
    `This is Node ${version}, and Tributary needs Node ${OLDEST.join('.')} or newer: it is tested with 20, 22 and 24. ` +
    'Install one from https://nodejs.org, or put "npx -y -p node@24" before the command.'
  )
}
