import type { Field, State } from '../../state/state.js'

/** A column that events are written to, as `tributary.layout` records it. */
export interface Column {
  readonly name: string
  /** Type with its schema, as in `CREATE TABLE`. */
  readonly type: string
  /** Type below all domains, which the stage table has: a domain may refuse the NULL of a field that is absent. */
  readonly base: string
  /** How a JSON value is written for this column: `json` as JSON, `array` as an array literal, `scalar` as text. */
  readonly kind: 'scalar' | 'json' | 'array'
  /**
   * What its values are made of, below domains, arrays and ranges: JSON, or points in time, which Postgres must not
   * evaluate (`now`). Left out for any other type.
   */
  readonly holds?: 'json' | 'time'
  /** Whether the column, or a domain that is its type, refuses NULL. */
  readonly notNull?: true
  /** Its default, an SQL expression: the value of a column that no event has named. */
  readonly default?: string
  /** The contract's name of the field, where it is not the column's name in camel or snake case. */
  readonly field?: string
}

/** The fields of a state, sorted by their places in a row. */
export interface Placed {
  /** Fields with a column, by the column's position in the layout. */
  readonly columns: readonly (Field | undefined)[]
  /** Fields without a column. */
  readonly extra: ReadonlyMap<string, Field>
}

const NONE: ReadonlyMap<string, Field> = new Map()

/** Most fields without a column that are remembered: a sender that invents names cannot fill the memory. */
const MOST_UNMAPPED = 1_000

/** Which field goes to which column of a table: `tributary.layout` as of one generation. */
export class Layout {
  /** Positions of columns, by the names that their fields may have. */
  readonly #positions = new Map<string, number>()
  /** Fields that were looked up and have no column. */
  readonly #unmapped = new Set<string>()

  constructor(
    readonly table: string,
    readonly generation: number,
    readonly columns: readonly Column[],
    /** Fingerprint of the table's real columns: `tributary.columns_of`. */
    readonly fingerprint = '',
  ) {
    // A later entry overwrites an earlier one. Camel case is here for speed: most fields need no conversion then.
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
   * The position of a field's column: the column that the contract names, else the one with the same name, else the
   * name in snake case, else in lower case, as Postgres reads a name without quotes. `undefined`: the field goes to
   * `extra`.
   */
  positionOf(field: string): number | undefined {
    const position = this.#positions.get(field)
    if (position !== undefined || this.#unmapped.has(field)) return position
    const other = this.#positions.get(snakeCase(field)) ?? this.#positions.get(field.toLowerCase())
    if (other === undefined && this.#unmapped.size < MOST_UNMAPPED) this.#unmapped.add(field)
    return other
  }

  /**
   * Puts each field in its place. Where fields share a column, the newest wins. Where they are equally new, the field
   * with the column's own name wins, else the first in the alphabet. Because this is a total order, states may be
   * joined before or after with the same result.
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

  /** Whether the first of two fields that share a column wins over the second. */
  outranks(position: number, [name, { version }]: NamedField, [other, rival]: NamedField): boolean {
    if (version !== rival.version) return version > rival.version
    const column = this.columns[position]
    const namesake = column?.field ?? column?.name
    return name === namesake || (other !== namesake && name < other)
  }
}

/** Searches all fields, once a column at most: fields of one event hardly ever share a column. */
function nameOf(field: Field, fields: ReadonlyMap<string, Field>): string {
  for (const [name, candidate] of fields) if (candidate === field) return name
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
