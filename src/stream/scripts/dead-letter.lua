-- Adds dead letters and, if they come from an entry, acknowledges it: all or nothing.
-- A script does not roll back, so XADD comes first: if Redis is full, XADD fails and nothing is acknowledged.
-- KEYS[1] the dead-letter stream
-- KEYS[2] the stream of the entry
-- ARGV[1] consumer group, ARGV[2] entry id; both empty for letters from the edge
-- ARGV[3] number of fields of a letter
-- ARGV    then the names of the fields, then the values of each letter in turn
-- returns the number of letters added: 0 if the entry was acknowledged before
local group, id = ARGV[1], ARGV[2]
if id ~= '' then
  -- If Redis has lost the group, the entry counts as not acknowledged: the letters are added.
  local pending = redis.pcall('XPENDING', KEYS[2], group, id, id, 1)
  if not pending.err and #pending == 0 then
    return 0
  end
end
local count = tonumber(ARGV[3])
local added = 0
for i = 4 + count, #ARGV, count do
  local letter = {}
  for n = 0, count - 1 do
    letter[#letter + 1] = ARGV[4 + n]
    letter[#letter + 1] = ARGV[i + n]
  end
  redis.call('XADD', KEYS[1], '*', unpack(letter))
  added = added + 1
end
if id ~= '' then
  redis.call('XACK', KEYS[2], group, id)
end
return added
