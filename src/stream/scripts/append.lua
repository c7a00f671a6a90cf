-- Appends entries to a partition's stream: one call for all requests of an event-loop tick.
-- KEYS[1] the stream
-- ARGV    metadata and body of each entry in turn
-- returns the new ids, in order
local ids = {}
for i = 1, #ARGV, 2 do
  ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', ARGV[i], ARGV[i + 1])
end
return ids
