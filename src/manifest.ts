import { existsSync, readFileSync } from 'node:fs'

/** The fields of `package.json` that are used. */
export interface Manifest {
  readonly version: string
  readonly description: string
}

/** The package's own manifest. @throws Error where the installation has no `package.json` */
export const MANIFEST: Manifest = readManifest()

/** `package.json` is one folder above the sources, and two above the compiled files. */
function readManifest(): Manifest {
  const places = ['../package.json', '../../package.json'].map((path) => new URL(path, import.meta.url))
  const manifest = places.find((place) => existsSync(place))
  if (!manifest)
    throw new Error('package.json is missing: the installation is not complete. Install it again')
  return JSON.parse(readFileSync(manifest, 'utf8')) as Manifest
}
