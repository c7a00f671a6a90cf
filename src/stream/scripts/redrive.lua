-- Moves dead letters back into the log; whatever happens, each is in one of the two streams.
-- A script does not roll back, so XADD comes first: if Redis is full, XADD fails and the letter stays.
-- KEYS[1] the dead-letter stream
-- KEYS[2] the stream of the entries
-- ARGV    letter id, metadata of its entry and body, of each letter in turn
-- returns the number of letters moved; letters that no longer exist are skipped
local moved = 0
for i = 1, #ARGV, 3 do
  if #redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i]) == 1 then
    redis.call('XADD', KEYS[2], '*', ARGV[i + 1], ARGV[i + 2])
    redis.call('XDEL', KEYS[1], ARGV[i])
    moved = moved + 1
  end
end
return moved
