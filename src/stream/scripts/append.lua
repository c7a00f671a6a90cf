-- Appends entries to a partition's stream: one call for all requests of a tick.
-- KEYS[1] the stream
-- ARGV    source, delivery, trace, body of each entry in turn
-- returns the new ids, in order
local ids = {}
for i = 1, #ARGV, 4 do
  ids[#ids + 1] = redis.call('XADD', KEYS[1], '*',
    'source', ARGV[i], 'delivery', ARGV[i + 1], 'trace', ARGV[i + 2], 'origin', '', 'body', ARGV[i + 3])
end
return ids
