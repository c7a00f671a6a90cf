-- Appends entries to a partition's stream: one call for all requests of a tick.
-- KEYS[1] the stream
-- ARGV    what is known of it and body, of each entry in turn
-- returns the new ids, in order
local ids = {}
for i = 1, #ARGV, 2 do
  ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', ARGV[i], ARGV[i + 1])
end
return ids
