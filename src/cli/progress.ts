/** Writes progress to standard error: on a terminal it rewrites one line, elsewhere it writes a line every 5 s. */
export function showProgress(describe: () => string): { end(): void } {
  const [everyMs, end] = process.stderr.isTTY ? [200, '\r'] : [5_000, '\n']
  const timer = setInterval(() => void process.stderr.write(`${describe()}${end}`), everyMs)
  return {
    end() {
      clearInterval(timer)
      if (process.stderr.isTTY) process.stderr.write('\u001b[2K')
    },
  }
}
