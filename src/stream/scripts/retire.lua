-- Removes consumers that have left or died, but never one with pending entries: DELCONSUMER would lose them. If a removed
-- consumer was only waiting, its next read creates it again.
-- KEYS[1] the stream
-- ARGV[1] consumer group
-- ARGV[2] name of the consumer to remove; empty: any except ARGV[4]
-- ARGV[3] minimum time that it has been silent, in ms
-- ARGV[4] name of a consumer to keep
-- returns the number of consumers removed
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
-- If Redis has lost the stream or the group, there is nothing to remove.
if consumers.err then return 0 end
local removed = 0
for _, consumer in ipairs(consumers) do
  local fields = {}
  for i = 1, #consumer, 2 do
    fields[consumer[i]] = consumer[i + 1]
  end
  local meant = (ARGV[2] == '' or fields.name == ARGV[2]) and fields.name ~= ARGV[4]
  if meant and fields.pending == 0 and fields.idle >= tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], fields.name)
    removed = removed + 1
  end
end
return removed
