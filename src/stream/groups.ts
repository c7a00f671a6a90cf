import type { PartitionKeys } from './keys.js'
import { addUp, type GroupLag, oldestAgeMs, readLag } from './lag.js'
import type { RedisClient } from './redis.js'

/** How far a group is and who reads for it, in all partitions together. */
export interface GroupFigures {
  readonly group: string
  /** Partitions that have no such group yet: none of their entries is delivered. */
  readonly missingPartitions: number
  /** Entries that no member has read yet. */
  readonly undelivered: number
  /** Entries that were read and are not acknowledged. */
  readonly pending: number
  /** Age of the oldest entry that is undelivered or pending, in ms by Redis' clock; `undefined` without any. */
  readonly oldestAgeMs: number | undefined
  /** Members, but for silent ones. Before Redis 7.2 it does not know one that has never got an entry. */
  readonly consumers: number
  /** Members that hold entries and have been silent for more than a lease: others take over what they hold. */
  readonly silentConsumers: number
}

/** A group as XINFO GROUPS tells of it. */
type RawGroup = Readonly<Record<string, unknown>>

/** A consumer of a group in one stream. */
interface Member {
  readonly name: string
  readonly pending: number
  /** Since its last sign of life. */
  readonly idleMs: number
}

/**
 * The exact figures of one group. Costs two commands a partition, and 3 us for each undelivered entry up to the first
 * 10,000: see `Precision`.
 * @param leaseMs after this time without a sign of life a member counts as silent, in ms
 */
export async function groupFigures(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  group: string,
  leaseMs: number,
): Promise<GroupFigures> {
  const lag = addUp(await readLag(redis, partitions, 'exact', [group]), [group]).get(group)
  if (!lag) throw new Error('there is at least one partition')
  return await withMembers(redis, partitions, lag, leaseMs)
}

/**
 * {@link groupFigures} of every group that there is, in the order of their names.
 * @param expected names of groups that there should be: they come first
 */
export async function allFigures(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  expected: readonly string[],
  leaseMs: number,
): Promise<GroupFigures[]> {
  const lags = [...addUp(await readLag(redis, partitions, 'exact'), expected).values()]
  const others = lags.slice(expected.length).sort((a, b) => (a.group < b.group ? -1 : 1))
  const sorted = [...lags.slice(0, expected.length), ...others]
  return await Promise.all(sorted.map((lag) => withMembers(redis, partitions, lag, leaseMs)))
}

/** The groups of a stream by their names, as XINFO tells of them; none where there is no stream. */
export async function readGroups(redis: RedisClient, stream: string): Promise<Map<string, RawGroup>> {
  try {
    const groups = ((await redis.xinfo('GROUPS', stream)) as unknown[][]).map(fieldsOf)
    return new Map(groups.map((group) => [String(group.name), group]))
  } catch (error) {
    if (String(error).includes('no such key')) return new Map()
    throw error
  }
}

async function withMembers(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  lag: GroupLag,
  leaseMs: number,
): Promise<GroupFigures> {
  const { group, missingPartitions, undelivered, pending } = lag
  const parts = await Promise.all(partitions.map(({ events }) => readMembers(redis, events, group)))
  const members = parts.flat()
  // Before Redis 7.2 a member that waits for entries looks idle, so one without any cannot be judged.
  const isSilent = (member: Member) => member.pending > 0 && member.idleMs > leaseMs
  const silent = new Set(members.filter(isSilent).map(({ name }) => name))
  return {
    group,
    missingPartitions,
    undelivered,
    pending,
    oldestAgeMs: oldestAgeMs(lag),
    consumers: new Set(members.map(({ name }) => name)).size - silent.size,
    silentConsumers: silent.size,
  }
}

async function readMembers(redis: RedisClient, stream: string, group: string): Promise<Member[]> {
  try {
    const consumers = (await redis.xinfo('CONSUMERS', stream, group)) as unknown[][]
    return consumers.map(fieldsOf).map((member) => ({
      name: String(member.name),
      pending: Number(member.pending),
      idleMs: Number(member.idle),
    }))
  } catch (error) {
    if (/no such key|NOGROUP/.test(String(error))) return []
    throw error
  }
}

/** Names and values in turn, as XINFO answers. */
function fieldsOf(reply: readonly unknown[]): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (let i = 0; i < reply.length; i += 2) fields[String(reply[i])] = reply[i + 1]
  return fields
}
