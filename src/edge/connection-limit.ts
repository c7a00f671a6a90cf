/** How many connections an edge takes. */
export interface ConnectionLimit {
  readonly connections: number
  /** What to do where that is less than what was asked for. */
  readonly warning?: string
}

/** Files that the rest of a process may need: connections to Redis and the stores, the admin port, Node's own. */
const OTHER_FILES = 256

/**
 * As many connections as wanted, unless the process may not open so many files. Without a free file uWebSockets.js
 * cannot accept a connection that waits, tries again for ever, and takes the whole processor for it.
 * @param openFiles how many files the process may open
 */
export function connectionLimit(wanted: number, openFiles = openFilesLimit()): ConnectionLimit {
  const others = Math.min(OTHER_FILES, Math.ceil(openFiles / 2))
  const connections = Math.min(wanted, openFiles - others)
  if (connections === wanted) return { connections }
  const warning =
    `The edge takes ${connections} connections, not ${wanted} (EDGE_MAX_CONNECTIONS): this process may open only ` +
    `${openFiles} files. Raise its hard limit to ${wanted + OTHER_FILES}: ulimit -Hn, LimitNOFILE= of systemd, ` +
    'or --ulimit nofile= of Docker.'
  return { connections, warning }
}

/** The soft limit, which Node raises to the hard one as it starts. */
function openFilesLimit(): number {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } }
  const soft = userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : Number.POSITIVE_INFINITY
}
