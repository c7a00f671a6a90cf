import type { Comparison } from './sink.js'

/** Parts that a batch is divided into. With two there are more levels, and slow items keep their neighbours waiting longer. */
const PARTS = 8

/** Items that are written together, and the failed write that they are a part of. */
export interface Part<Item> {
  readonly items: readonly Item[]
  readonly whole: Failure<Item> | undefined
}

/** A part that failed. */
export interface Failure<Item> extends Part<Item> {
  readonly code: string
  /** When it had failed, by the clock of the evidence. */
  readonly at: number
}

/** Items of each place that are written last. Several, because one may be at fault itself. */
const RESERVE = 3

/** A few items of each place, at most half of it, that are new to the store. */
export function reserveOf<Item>(
  items: readonly Item[],
  news: ReadonlySet<Item>,
  comparison: Pick<Comparison<Item>, 'placeOf'>,
): readonly Item[] {
  return byPlace(items, comparison).flatMap((some) => {
    const known = some.filter((item) => news.has(item))
    return known.slice(Math.max(known.length >> 1, known.length - RESERVE))
  })
}

/** Divides items by their places or, where all have one place, into parts of about the same size. */
export function divide<Item>(
  items: readonly Item[],
  comparison: Pick<Comparison<Item>, 'placeOf'>,
): (readonly Item[])[] {
  const places = byPlace(items, comparison)
  if (places.length > 1) return places
  const size = Math.ceil(items.length / PARTS)
  const parts: (readonly Item[])[] = []
  for (let start = 0; start < items.length; start += size) parts.push(items.slice(start, start + size))
  return parts
}

/** Items by their table or collection. */
export function byPlace<Item>(
  items: readonly Item[],
  comparison: Pick<Comparison<Item>, 'placeOf'>,
): (readonly Item[])[] {
  const places = new Map<string, Item[]>()
  for (const item of items) {
    const place = comparison.placeOf(item)
    const others = places.get(place)
    if (others) others.push(item)
    else places.set(place, [item])
  }
  return [...places.values()]
}
