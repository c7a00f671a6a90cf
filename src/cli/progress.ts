/** Tells on standard error how far something is: rewritten in place on a terminal, else a line every 5 s. */
export function showProgress(tell: () => string): { end(): void } {
  const [everyMs, end] = process.stderr.isTTY ? [200, '\r'] : [5_000, '\n']
  const timer = setInterval(() => void process.stderr.write(`${tell()}${end}`), everyMs)
  return {
    end() {
      clearInterval(timer)
      if (process.stderr.isTTY) process.stderr.write('\u001b[2K')
    },
  }
}
