// Loaded before a worker (`node --import`): a body with this word in it ends the process on the spot, as an event
// that makes native code crash, or takes all memory, does.
const parse = JSON.parse
JSON.parse = (text, ...rest) => {
  if (typeof text === 'string' && text.includes('deadly')) process.kill(process.pid, 'SIGKILL')
  return parse(text, ...rest)
}
