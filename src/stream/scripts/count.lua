-- Counts a page of a stream's entries without sending them anywhere. About 3 us an entry of 600 bytes.
-- KEYS[1] the stream
-- ARGV[1] where to begin: `-`, or `(<id>` for what comes after it
-- ARGV[2] most entries
-- ARGV[3] name of the field by whose values to count; empty to count all together
-- returns the id of the page's first entry and of its last, both empty where there is none, then each value and its count
local page = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
if #page == 0 then
  return { '', '' }
end
local counts = {}
for _, entry in ipairs(page) do
  local value = ''
  for i = 1, #entry[2], 2 do
    if entry[2][i] == ARGV[3] then
      value = entry[2][i + 1]
      break
    end
  end
  counts[value] = (counts[value] or 0) + 1
end
local reply = { page[1][1], page[#page][1] }
for value, count in pairs(counts) do
  reply[#reply + 1] = value
  reply[#reply + 1] = count
end
return reply
