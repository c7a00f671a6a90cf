-- Removes the oldest entries of a stream that no group needs any more. It is one step, because groups may be created or
-- removed between two steps. Takes up to 1 ms to remove 10,000 entries, and 5 ms per GiB to measure the stream.
-- KEYS[1] the stream
-- ARGV[1] how long acknowledged entries are kept, in milliseconds since their receipt
-- ARGV[2] bytes that the stream may take; above it acknowledged entries are removed earlier
-- ARGV[3] maximum number of entries to remove
-- ARGV[4] number of ignored groups, for which nothing is kept
-- ARGV    then their names, then name and id of each sink: while the sink has no group, entries from the id on stay
-- returns the number of entries removed, the stream's bytes before that, and the id up to which entries could be removed
--         if sinks without a group were ignored; then, for each group that is not ignored: its name, the id of the first
--         entry that it needs or '', and the idle time of that entry in ms, -1 if it has not been read yet
local stream = KEYS[1]

local function is_before(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  -- Compares text: a Lua number cannot hold a 64-bit sequence.
  if a_ms == b_ms then a_ms, b_ms = a_seq, b_seq end
  if #a_ms ~= #b_ms then return #a_ms < #b_ms end
  return a_ms < b_ms
end
local function earlier(a, b)
  if is_before(b, a) then return b end
  return a
end

local groups = redis.pcall('XINFO', 'GROUPS', stream)
-- If there is no stream, there is nothing to trim.
if groups.err then return { 0, 0, '0-0' } end

local is_ignored = {}
for i = 5, 4 + ARGV[4] do is_ignored[ARGV[i]] = true end

local is_present, reply, needed = {}, {}, nil
for _, group in ipairs(groups) do
  local fields = {}
  for i = 1, #group, 2 do fields[group[i]] = group[i + 1] end
  local name, last = fields['name'], fields['last-delivered-id']
  if not is_ignored[name] then
    is_present[name] = true
    local bound, first, idle = last, '', -1
    if fields['pending'] > 0 then
      local oldest = redis.call('XPENDING', stream, name, '-', '+', 1)[1]
      bound, first, idle = oldest[1], oldest[1], oldest[3]
    else
      local unread = redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', 1)[1]
      if unread then bound, first = unread[1], unread[1] end
    end
    needed = needed and earlier(needed, bound) or bound
    for _, value in ipairs({ name, first, idle }) do reply[#reply + 1] = value end
  end
end
-- No group yet: it is not known which entries groups will need.
if not needed then return { 0, 0, '0-0' } end

local now = redis.call('TIME')
local expired = string.format('%.0f-0', math.max(0, now[1] * 1000 + math.floor(now[2] / 1000) - ARGV[1]))
local bytes = redis.call('MEMORY', 'USAGE', stream, 'SAMPLES', 0)
local excess = math.max(0, (bytes - ARGV[2]) / bytes)
local horizon = excess > 0 and needed or earlier(needed, expired)
local bound = horizon
for i = 5 + ARGV[4], #ARGV, 2 do
  if not is_present[ARGV[i]] then bound = earlier(bound, ARGV[i + 1]) end
end

local removed = redis.call('XTRIM', stream, 'MINID', '~', earlier(bound, expired), 'LIMIT', ARGV[3])
if removed == 0 and excess > 0 then
  -- Removes a quarter of the estimated excess at a time: entries differ in size, so the estimate may be too high.
  local most = math.ceil(redis.call('XLEN', stream) * excess / 4)
  -- Redis removes only whole blocks of the stream, which have up to 100 entries.
  most = math.min(tonumber(ARGV[3]), math.max(100, most))
  removed = redis.call('XTRIM', stream, 'MINID', '~', bound, 'LIMIT', most)
end
return { removed, bytes, horizon, unpack(reply) }
