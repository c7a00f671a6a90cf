import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { startProxy, type TcpProxy } from '../support/proxy.js'

/** A server that says everything again, and keeps what it was told. */
async function echo(): Promise<{ proxy: TcpProxy; told: () => string }> {
  let told = ''
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (piece) => {
      told += piece
      socket.write(piece)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await startProxy({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  onTestFinished(async () => {
    await proxy.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { proxy, told: () => told }
}

/** A client that keeps what it hears; `ended` tells how. */
async function client({ port }: TcpProxy) {
  const socket = connect(port, '127.0.0.1')
  let heard = ''
  socket.on('data', (piece) => {
    heard += piece
  })
  const ended = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.on('close', () => resolve('closed'))
  })
  onTestFinished(() => void socket.destroy())
  // Or it is refused, which `ended` tells.
  await once(socket, 'connect').catch(() => undefined)
  const hears = async (text: string) => {
    for (const end = Date.now() + 5_000; heard !== text && Date.now() < end; ) await sleep(5)
    expect(heard).toBe(text)
  }
  return { socket, ended, hears, heard: () => heard }
}

test('carries both ways, in order, and large pieces whole', async () => {
  const { proxy } = await echo()
  const { socket, hears } = await client(proxy)
  socket.write('a')
  await hears('a')
  socket.write('b'.repeat(5_000_000))
  await hears(`a${'b'.repeat(5_000_000)}`)
})

test('cut: resets what is there and what comes, until it is restored', async () => {
  const { proxy } = await echo()
  const before = await client(proxy)
  before.socket.write('a')
  await before.hears('a')
  proxy.cut()
  expect(await before.ended).toBe('ECONNRESET')
  const during = await client(proxy)
  expect(await during.ended).toBe('ECONNRESET')
  proxy.restore()
  const after = await client(proxy)
  after.socket.write('c')
  await after.hears('c')
})

test('freeze: connections stay, nothing goes through, and nothing is lost', async () => {
  const { proxy, told } = await echo()
  const old = await client(proxy)
  proxy.freeze()
  const fresh = await client(proxy)
  old.socket.write('old')
  fresh.socket.write('new')
  await sleep(100)
  expect(told()).toBe('')
  proxy.thaw()
  await old.hears('old')
  await fresh.hears('new')
})

test('delay: everything comes later, in its order, also when the delay ends', async () => {
  const { proxy } = await echo()
  const { socket, hears, heard } = await client(proxy)
  proxy.delay(150)
  const start = performance.now()
  socket.write('1')
  await sleep(20)
  proxy.delay(0)
  socket.write('2')
  await sleep(20)
  expect(heard()).toBe('')
  await hears('12')
  expect(performance.now() - start).toBeGreaterThan(140)
})

test('dropReplies: the target hears, the client does not; then that connection is reset, and no other', async () => {
  const { proxy, told } = await echo()
  const { socket, ended, heard } = await client(proxy)
  const idle = await client(proxy)
  proxy.dropReplies()
  socket.write('x')
  for (const end = Date.now() + 5_000; told() !== 'x' && Date.now() < end; ) await sleep(5)
  await sleep(50)
  expect([told(), heard()]).toEqual(['x', ''])
  proxy.restore()
  expect(await ended).toBe('ECONNRESET')
  idle.socket.write('y')
  await idle.hears('y')
})

test('what the target ends or refuses, the client sees end', async () => {
  const gone = await startProxy({ host: '127.0.0.1', port: 1 })
  onTestFinished(() => gone.close())
  const { ended } = await client(gone)
  expect(await ended).toBe('ECONNRESET')
  const { proxy } = await echo()
  const polite = await client(proxy)
  polite.socket.end('bye')
  await polite.hears('bye')
  expect(await polite.ended).toBe('closed')
})
