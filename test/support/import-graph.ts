import { readdirSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'

/** One file's import of another, both as paths from the repository's root. */
export interface Import {
  readonly from: string
  /** A file; of an import that is computed, the folder before the first computed part. */
  readonly to: string
}

/** By the prefix of a file's path: the prefixes that it may import from, beside its own. The longest one counts. */
export type Directions = Readonly<Record<string, readonly string[]>>

/** All TypeScript files below some folders, as paths from `root`, with their text. */
export function readSources(root: string, folders: readonly string[]): Map<string, string> {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  )
  const sources = files.filter((file) => file.endsWith('.ts')).sort()
  return new Map(sources.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
}

/** TypeScript without its comments. Strings that hold ` // ` or ` /*` are not looked out for. */
export function withoutComments(source: string): string {
  return source.replace(/(?<=^|\s)\/\*[\s\S]*?\*\//gm, '').replace(/(?<=^|\s)\/\/.*$/gm, '')
}

/** The imports of other files of ours in a file, of types too. */
export function importsOf(path: string, source: string): Import[] {
  const folder = path.slice(0, path.lastIndexOf('/'))
  const statements = withoutComments(source).matchAll(
    /\b(?:import|export)\s+(?:type\s)?(?:[\w*{][^;'"`]*?\bfrom\s+)?['"](\.[^'"]+)['"]|\bimport\(\s*['"`](\.[^'"`$]+)/g,
  )
  return [...statements].map(([, fixed, computed]) => ({
    from: path,
    to: normalize(join(folder, fixed ?? computed ?? '')).replace(/\.js$/, '.ts'),
  }))
}

/** The imports that no direction allows, one line each. */
export function strays(imports: readonly Import[], directions: Directions): string[] {
  const areas = Object.keys(directions).sort((a, b) => b.length - a.length)
  const areaOf = (path: string) => areas.find((area) => path.startsWith(area))
  return imports
    .filter(({ from, to }) => {
      const area = areaOf(from)
      if (area === undefined) return true
      const home = areaOf(to) === area
      return !home && !directions[area]?.some((prefix) => to.startsWith(prefix))
    })
    .map(({ from, to }) => `${from} imports ${to}`)
}

/** The circles that the imports make, those of types too, each as the files along it. */
export function circles(imports: readonly Import[]): string[][] {
  const next = new Map<string, string[]>()
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to])
  const found: string[][] = []
  const done = new Set<string>()
  const visit = (file: string, way: readonly string[]) => {
    const start = way.indexOf(file)
    if (start >= 0) found.push(way.slice(start))
    if (start >= 0 || done.has(file)) return
    for (const other of next.get(file) ?? []) visit(other, [...way, file])
    done.add(file)
  }
  for (const file of next.keys()) visit(file, [])
  return found
}
