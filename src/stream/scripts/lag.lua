-- Reads the lag of a stream's groups at one moment. About 20 us per group, and 3 us for each undelivered entry of
-- 600 bytes that it counts.
-- KEYS[1] the stream
-- ARGV[1] maximum undelivered entries to count for a group; 0: counts none, and reads only entries needed for the ages
-- ARGV[2] the same if Redis' own figure is missing or wrong
-- ARGV[3] approximate maximum of bytes of these entries
-- ARGV    then the names of the groups to read; none: all groups
-- returns the time in ms, the stream's length, its memory in bytes, the id of its first entry (empty without one), its
-- number of groups, then a list for each group: name, pending entries, id of the oldest of them, undelivered entries
-- that were counted, ids of the first and the last of them, 1 if these are all (else 0), Redis' own figure for them,
-- and the number of entries that the group has read (-1: Redis does not know)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local bytes = redis.pcall('MEMORY', 'USAGE', KEYS[1])
-- The call fails for a user without permission. Redis' own message does not name the command.
if type(bytes) == 'table' then
  return redis.error_reply('NOPERM this user cannot run memory|usage: ' .. bytes.err)
end
if not bytes then
  return { now, 0, 0, '', 0 }
end
local length = redis.call('XLEN', KEYS[1])
local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
local fitting = length > 0 and math.floor(tonumber(ARGV[3]) * length / bytes) or 1
local is_wanted = {}
for i = 4, #ARGV do is_wanted[ARGV[i]] = true end

local is_glance = ARGV[1] == '0'
local needs_head = not is_glance or #groups == 0
local reply = { now, length, bytes, '', #groups }
for _, info in ipairs(groups) do
  local group = {}
  for i = 1, #info, 2 do group[info[i]] = info[i + 1] end
  local name, last = group['name'], group['last-delivered-id']
  if #ARGV == 3 or is_wanted[name] then
    local lag = type(group['lag']) == 'number' and group['lag'] or -1
    local read = type(group['entries-read']) == 'number' and group['entries-read'] or -1
    -- Redis has no such figure for a group that has never read, either.
    if last == '0-0' then read = 0 end
    local is_known = lag >= 0 and lag <= length
    local pending = redis.call('XPENDING', KEYS[1], name)
    local most = math.max(1, math.min(tonumber(is_known and ARGV[1] or ARGV[2]), fitting))
    local page, is_read = {}, false
    -- Reading an entry copies its whole body. Pending entries are older than all undelivered ones, so their age is enough.
    if not (is_glance and is_known and (pending[1] > 0 or lag == 0)) then
      page = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', most)
      is_read = true
    end
    needs_head = needs_head or not is_known
    local first, final = page[1] and page[1][1] or '', page[1] and page[#page][1] or ''
    local complete = is_read and #page < most and 1 or 0
    reply[#reply + 1] = { name, pending[1], pending[2] or '', #page, first, final, complete, lag, read }
  end
end
if needs_head then
  local head = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
  reply[4] = head[1] and head[1][1] or ''
end
return reply
