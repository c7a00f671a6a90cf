-- Tells how far every group of a stream is, at one moment. About 20 us a group, and 3 us for each undelivered entry of
-- 600 bytes that it counts.
-- KEYS[1] the stream
-- ARGV[1] most undelivered entries to count for a group, ARGV[2] most bytes of them, about
-- returns the time in ms, the stream's length, its memory in bytes, the id of its first entry (empty without one), then
-- of each group: name, pending entries, the oldest of them, undelivered entries that were counted, the first of them,
-- whether those are all (1 or 0), and Redis' own figure for them (-1: it has none)
local time = redis.call('TIME')
if redis.call('EXISTS', KEYS[1]) == 0 then
  return { time[1] * 1000 + math.floor(time[2] / 1000), 0, 0, '' }
end
local length = redis.call('XLEN', KEYS[1])
local bytes = redis.call('MEMORY', 'USAGE', KEYS[1])
local head = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
local most = tonumber(ARGV[1])
if length > 0 then
  most = math.max(1, math.min(most, math.floor(tonumber(ARGV[2]) * length / bytes)))
end
local reply = { time[1] * 1000 + math.floor(time[2] / 1000), length, bytes, head[1] and head[1][1] or '' }
for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #info, 2 do
    group[info[i]] = info[i + 1]
  end
  local pending = redis.call('XPENDING', KEYS[1], group['name'])
  local page = redis.call('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+', 'COUNT', most)
  local lag = group['lag']
  for _, value in ipairs({
    group['name'],
    pending[1],
    pending[2] or '',
    #page,
    page[1] and page[1][1] or '',
    #page < most and 1 or 0,
    type(lag) == 'number' and lag or -1,
  }) do
    reply[#reply + 1] = value
  end
end
return reply
