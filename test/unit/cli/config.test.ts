import { describe, expect, test } from 'vitest'
import { readSettings } from '../../../src/cli/config.js'
import { VARIABLES } from '../../../src/config.js'
import { chooseHttp } from '../../../src/edge/http/choose.js'

describe('the settings', () => {
  const settings = (env: Record<string, string> = {}) =>
    new Map(readSettings(env).map((setting) => [setting.name, setting]))

  test('are all variables, each with its meaning', () => {
    expect([...settings().keys()]).toEqual(Object.keys(VARIABLES))
    for (const { description } of settings().values()) expect(description).not.toBe('')
  })

  test('show what counts: the default, or what the environment says', () => {
    expect(settings().get('PARTITIONS')).toMatchObject({ default: 1, set: false, value: 1 })
    expect(settings({ PARTITIONS: '8' }).get('PARTITIONS')).toMatchObject({
      default: 1,
      set: true,
      value: '8',
    })
    expect(settings({ PARTITIONS: '' }).get('PARTITIONS')).toMatchObject({ set: false, value: 1 })
    expect(settings().get('REDIS_URL')).toMatchObject({ default: null, set: false, value: null })
  })

  test('say which HTTP server the edge runs on', () => {
    expect(settings().get('EDGE_HTTP')).toMatchObject({ default: 'auto', value: chooseHttp('auto').name })
    expect(settings({ EDGE_HTTP: 'node' }).get('EDGE_HTTP')).toMatchObject({ set: true, value: 'node' })
  })

  test.each([
    ['redis://:hidden@cache:6379/0', 'redis://:***@cache:6379/0'],
    ['postgres://me:hidden@db/app?sslmode=require', 'postgres://me:***@db/app?sslmode=require'],
    ['postgres://me:hid/d@n#@db/app', 'postgres://me:***@db/app'],
    ['postgres://db/app?user=me&password=hidden&x=1', 'postgres://db/app?user=me&password=***&x=1'],
    ['mongodb://me:hidden@a:27017,b:27017/?replicaSet=rs', 'mongodb://me:***@a:27017,b:27017/?replicaSet=rs'],
    ['mongodb+srv://me:hidden@cluster.example.com', 'mongodb+srv://me:***@cluster.example.com'],
    ['redis://cache:6379', 'redis://cache:6379'],
    ['me:hidden@db', '***'],
  ])('mask the password of %s', (url, shown) => {
    expect(settings({ POSTGRES_URL: url }).get('POSTGRES_URL')?.value).toBe(shown)
  })

  test('never show a secret, even if it looks like a URL', () => {
    for (const secret of ['hidden', 'a,hidden', 'https://hidden']) {
      expect(settings({ CDC_SECRETS: secret }).get('CDC_SECRETS')).toMatchObject({ set: true, value: '***' })
    }
  })
})
