/** How many connections an edge accepts. */
export interface ConnectionLimit {
  readonly connections: number
  /** What to do where this is less than the configured number. */
  readonly warning?: string
}

/** Files that the process may need otherwise: connections to Redis and the stores, the admin port, Node's own. */
const OTHER_FILES = 256

/**
 * The wanted number of connections, or fewer where the process may not open that many files. Without a free file
 * uWebSockets.js cannot accept a waiting connection: it retries for ever and uses a whole core.
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

/** The soft limit; Node raises it to the hard limit when it starts. */
function openFilesLimit(): number {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } }
  const soft = userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : Number.POSITIVE_INFINITY
}
