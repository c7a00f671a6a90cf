-- Moves dead letters back into the log: each is in the one stream or in the other, whatever happens.
-- A script does not roll back, so XADD comes first; where Redis is full it fails, and the letter stays.
-- KEYS[1] the dead-letter stream
-- KEYS[2] the stream of the entries
-- ARGV    letter id, then source, delivery, trace, origin, body of its entry, of each letter in turn
-- returns the number of letters moved: those that are gone already are left out
local moved = 0
for i = 1, #ARGV, 6 do
  if #redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i]) == 1 then
    redis.call('XADD', KEYS[2], '*', 'source', ARGV[i + 1], 'delivery', ARGV[i + 2],
      'trace', ARGV[i + 3], 'origin', ARGV[i + 4], 'body', ARGV[i + 5])
    redis.call('XDEL', KEYS[1], ARGV[i])
    moved = moved + 1
  end
end
return moved
