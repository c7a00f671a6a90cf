-- Removes consumers that have left or died, but never one that still holds pending entries: DELCONSUMER would lose
-- them. One that only waited is made anew by its next read.
-- KEYS[1] the stream
-- ARGV[1] consumer group
-- ARGV[2] name of the one consumer; empty for any but ARGV[4]
-- ARGV[3] since when it has been silent, at least, in ms
-- ARGV[4] name of a consumer that stays
-- returns the number of consumers removed
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
-- Where Redis has lost the stream or the group there is nothing to remove.
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
