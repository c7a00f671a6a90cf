-- Removes the oldest entries of a stream that nobody needs any more: one step, as a group may come or go between two.
-- Takes up to 1 ms to remove 10,000 entries, and 5 ms a GiB to measure the stream.
-- KEYS[1] the stream
-- ARGV[1] how long entries are kept after they were settled, in milliseconds since their receipt
-- ARGV[2] bytes that the stream may take; over it settled entries go earlier
-- ARGV[3] most entries that are removed
-- ARGV[4] how many names follow: groups that nothing is kept for
-- ARGV    then those, then name and id of each sink: nothing at or above the id goes while the sink has no group
-- returns entries removed, bytes before that, and the id up to which it would go but for sinks without a group;
--         then of each group that counts its name, the id of the first entry that it needs or '', and for how
--         many ms that has been in nobody's hands; -1 where nobody has read it yet
local stream = KEYS[1]

local function is_before(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  -- As text: a number of Lua cannot hold a sequence of 64 bits.
  if a_ms == b_ms then a_ms, b_ms = a_seq, b_seq end
  if #a_ms ~= #b_ms then return #a_ms < #b_ms end
  return a_ms < b_ms
end
local function earlier(a, b)
  if is_before(b, a) then return b end
  return a
end

local groups = redis.pcall('XINFO', 'GROUPS', stream)
-- Where there is no stream there is nothing to trim.
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
-- Nobody has read anything: who will is not known.
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
  -- About so many are too many, but entries differ in size: in quarters hardly one goes that could stay.
  local most = math.ceil(redis.call('XLEN', stream) * excess / 4)
  -- A block of the stream goes as a whole, or not at all; it has up to 100 entries.
  most = math.min(tonumber(ARGV[3]), math.max(100, most))
  removed = redis.call('XTRIM', stream, 'MINID', '~', bound, 'LIMIT', most)
end
return { removed, bytes, horizon, unpack(reply) }
