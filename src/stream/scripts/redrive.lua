-- Moves dead letters back into the log: each is in the one stream or in the other, whatever happens.
-- A script does not roll back, so XADD comes first; where Redis is full it fails, and the letter stays.
-- KEYS[1] the dead-letter stream
-- KEYS[2] the stream of the entries
-- ARGV    letter id, then what is known of its entry and the body, of each letter in turn
-- returns the number of letters moved: those that are gone already are left out
local moved = 0
for i = 1, #ARGV, 3 do
  if #redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i]) == 1 then
    redis.call('XADD', KEYS[2], '*', ARGV[i + 1], ARGV[i + 2])
    redis.call('XDEL', KEYS[1], ARGV[i])
    moved = moved + 1
  end
end
return moved
