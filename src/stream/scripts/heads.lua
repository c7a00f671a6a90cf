-- Reads a page of entries or dead letters without their bodies. Costs about 13 us for each.
-- KEYS[1] the stream
-- ARGV[1] where to begin, ARGV[2] where to end, ARGV[3] maximum number
-- ARGV    then the names of the wanted fields
-- returns for each its id, the length of its body and the fields' values; empty for a field it does not have
local heads = {}
for _, letter in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])) do
  local fields = {}
  for i = 1, #letter[2], 2 do
    fields[letter[2][i]] = letter[2][i + 1]
  end
  local head = { letter[1], #(fields['body'] or '') }
  for i = 4, #ARGV do
    head[#head + 1] = fields[ARGV[i]] or ''
  end
  heads[#heads + 1] = head
end
return heads
