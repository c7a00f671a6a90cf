import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

/** Paths of all files below some folders with one of the endings, from the repository's root. */
function filesIn(folders: readonly string[], endings: RegExp): string[] {
  return folders
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) =>
        join(folder, file),
      ),
    )
    .filter((file) => endings.test(file) && !file.includes('node_modules'))
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const PAGES = [
  ...readdirSync(ROOT).filter((file) => file.endsWith('.md')),
  ...filesIn(['docs', 'deploy'], /\.md$/),
]

/** The heading's anchor, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

function anchorsOf(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))
}

/** What is wrong with the links of a page to files and headings of the repository. */
function brokenLinks(page: string): string[] {
  const links = [...read(page).matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)]
  return links.flatMap(([link, path = '', anchor]) => {
    const target = path === '' ? page : join(dirname(page), path)
    const found =
      existsSync(join(ROOT, target)) && (anchor === undefined || anchorsOf(target).includes(anchor))
    return found ? [] : [`${page}: ${link}`]
  })
}

describe('the documentation', () => {
  it('has links that lead to files and headings of the repository', () => {
    expect(PAGES.length).toBeGreaterThan(30)
    expect(PAGES.flatMap(brokenLinks)).toEqual([])
  })

  it('is there where comments and messages refer to it', () => {
    const sources = filesIn(
      ['src', 'schemas', 'workers', 'migrations', 'test', 'bench', 'deploy'],
      /\.(ts|lua|sql|ya?ml|mjs)$/,
    )
    const references = sources.flatMap((file) =>
      [...read(file).matchAll(/\bdocs\/[\w/-]+\.md\b/g)].map(([path]) => ({ file, path })),
    )
    expect(references.length).toBeGreaterThan(5)
    expect(references.filter(({ path }) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  it('has each decision in the index, with the four headings', () => {
    const records = readdirSync(join(ROOT, 'docs/decisions')).filter((file) => /^\d{4}-/.test(file))
    const index = [...read('docs/decisions/README.md').matchAll(/\]\((\d{4}-[\w-]+\.md)\)/g)]
    expect(index.map(([, file]) => file)).toEqual(records.sort())
    for (const file of records) {
      const record = read(`docs/decisions/${file}`)
      expect(record, file).toMatch(new RegExp(`^# ${Number(file.slice(0, 4))}\\. `))
      expect([...record.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)).toEqual([
        'Context',
        'Decision',
        'Consequences',
        'Evidence',
      ])
    }
  })
})

/** The tests that a page names, each as a link to its file and, behind a colon, its title or the beginning of it. */
function namedTests(page: string): { path: string; title: string }[] {
  const rows = read(page)
    .split('\n')
    .filter((line) => line.startsWith('| '))
  const last = rows.map((row) => row.slice(0, -1).split(' | ').at(-1) ?? '')
  const named = last
    .flatMap((cell) => cell.split(' · '))
    .map((test) => /^\[.+\]\((.+\.test\.ts)\): (.+)$/.exec(test.trim()))
  return named.flatMap((match) =>
    match ? [{ path: join(dirname(page), match[1] ?? ''), title: match[2] ?? '' }] : [],
  )
}

describe('the kinds of trouble in docs/outcomes.md', () => {
  const tests = namedTests('docs/outcomes.md')

  it('are more than a dozen', () => {
    expect(tests.length).toBeGreaterThan(20)
  })

  it.each(tests)('$title', ({ path, title }) => {
    expect(read(path).replaceAll("\\'", "'")).toContain(title)
  })
})
