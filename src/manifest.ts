import { existsSync, readFileSync } from 'node:fs'

/** What `package.json` says of this software. */
export interface Manifest {
  readonly version: string
  readonly description: string
}

/** The package's own manifest. @throws Error where the installation has none */
export const MANIFEST: Manifest = readManifest()

/** The sources are one folder below it, the compiled files two. */
function readManifest(): Manifest {
  const places = ['../package.json', '../../package.json'].map((path) => new URL(path, import.meta.url))
  const manifest = places.find((place) => existsSync(place))
  if (!manifest)
    throw new Error('package.json is missing: the installation is not complete. Install it again')
  return JSON.parse(readFileSync(manifest, 'utf8')) as Manifest
}
