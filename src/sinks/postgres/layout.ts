import type { Field, State } from '../../state/state.js'

/** A column that events are written to, as `tributary.layout` records it. */
export interface Column {
  readonly name: string
  /** With its schema, as in `CREATE TABLE`. */
  readonly type: string
  /** How a JSON value is put into words for it: `json` as JSON, `array` as an array literal. */
  readonly kind: 'scalar' | 'json' | 'array'
  /** What stands for NULL in a column that is NOT NULL: its default, an SQL expression. */
  readonly default?: string
  /** The contract's name of its field, where that is not the column's in camel or snake case. */
  readonly field?: string
}

/** What is known of an entity, by the places of a row. */
export interface Placed {
  /** By the position of the column in the layout. */
  readonly columns: readonly (Field | undefined)[]
  /** Fields without a column. */
  readonly extra: ReadonlyMap<string, Field>
}

const NONE: ReadonlyMap<string, Field> = new Map()

/** So many fields without a column are remembered: whoever invents names fills no memory. */
const MOST_STRANGERS = 1_000

/** Which field goes to which column of a table: `tributary.layout` as of one generation. */
export class Layout {
  /** By names that fields may have. */
  readonly #positions = new Map<string, number>()
  /** Fields that have been looked for in vain. */
  readonly #unmapped = new Set<string>()

  constructor(
    readonly table: string,
    readonly generation: number,
    readonly columns: readonly Column[],
  ) {
    // What is set later has precedence. The camel case is there for speed: it spares most fields the conversion.
    for (const [position, { name }] of columns.entries()) {
      const camel = camelCase(name)
      if (snakeCase(camel) === name) this.#positions.set(camel, position)
    }
    for (const [position, { name }] of columns.entries()) this.#positions.set(name, position)
    for (const [position, { field }] of columns.entries()) {
      if (field !== undefined) this.#positions.set(field, position)
    }
  }

  /**
   * The position of a field's column: the one that the contract names, the one of its very name, in snake case,
   * or in lower case, as Postgres reads a name without quotes. `undefined`: the field belongs in `extra`.
   */
  positionOf(field: string): number | undefined {
    const position = this.#positions.get(field)
    if (position !== undefined || this.#unmapped.has(field)) return position
    const other = this.#positions.get(snakeCase(field)) ?? this.#positions.get(field.toLowerCase())
    if (other === undefined && this.#unmapped.size < MOST_STRANGERS) this.#unmapped.add(field)
    return other
  }

  /**
   * Puts each field in its place. Of fields that share a column the newest counts, and among those of one event
   * the column's namesake before the first in the alphabet. As that is an order, it does not matter whether
   * states are joined before or after.
   */
  place(state: State): Placed {
    const columns = new Array<Field | undefined>(this.columns.length)
    let extra: Map<string, Field> | undefined
    // By position, where fields share a column: the name of the one that counts so far.
    let winners: Map<number, string> | undefined
    for (const [name, field] of state.fields) {
      const position = this.positionOf(name)
      if (position === undefined) {
        extra ??= new Map()
        extra.set(name, field)
        continue
      }
      const rival = columns[position]
      if (rival === undefined) {
        columns[position] = field
        continue
      }
      winners ??= new Map()
      const winner = winners.get(position) ?? nameOf(rival, state.fields)
      const wins = this.outranks(position, [name, field], [winner, rival])
      winners.set(position, wins ? name : winner)
      if (wins) columns[position] = field
    }
    return { columns, extra: extra ?? NONE }
  }

  /** Whether the first of two fields that share a column counts, and not the second. */
  outranks(position: number, [name, { version }]: NamedField, [other, rival]: NamedField): boolean {
    if (version !== rival.version) return version > rival.version
    const column = this.columns[position]
    const namesake = column?.field ?? column?.name
    return name === namesake || (other !== namesake && name < other)
  }
}

/** Searched for, once a column at most, as hardly ever two fields of an event share one. */
function nameOf(field: Field, fields: ReadonlyMap<string, Field>): string {
  for (const [name, one] of fields) if (one === field) return name
  return ''
}

type NamedField = readonly [name: string, field: Pick<Field, 'version'>]

/** `firstName`, `FirstName` -> `first_name` · `customerID` -> `customer_id` */
export function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
}

/** `first_name` -> `firstName` */
function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
