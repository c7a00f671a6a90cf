-- Counts a page of a stream's entries without sending them to the client. About 3 us per entry of 600 bytes.
-- KEYS[1] the stream
-- ARGV[1] where to begin: `-`, or `(<id>` for what comes after it
-- ARGV[2] maximum number of entries
-- ARGV[3] name of the field to count by; empty to count all together
-- returns the ids of the page's first and last entry (both empty without any), then each value and its count
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
