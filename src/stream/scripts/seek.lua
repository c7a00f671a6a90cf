-- Finds the first entry of one of the given contracts. About 3 us per entry of 600 bytes.
-- KEYS[1] the stream
-- ARGV[1] id of the entry to begin at, ARGV[2] id to end before
-- ARGV[3] maximum number of entries to search
-- ARGV    then the contracts' names
-- returns 'found', 'more' or 'end', and the id of the entry, or of the last entry searched: '' without any
local is_sought = {}
for i = 4, #ARGV do is_sought[ARGV[i]] = true end
local from, last, left = ARGV[1], '', tonumber(ARGV[3])
while left > 0 do
  -- Small pages, because the entry is mostly one of the first.
  local count = math.min(left, 100)
  local page = redis.call('XRANGE', KEYS[1], from, '(' .. ARGV[2], 'COUNT', count)
  for _, entry in ipairs(page) do
    last = entry[1]
    -- The name of an entry's field holds its metadata; the first line is its source.
    if is_sought[string.match(entry[2][1], '^[^\n]*')] then return { 'found', last } end
  end
  if #page < count then return { 'end', last } end
  from, left = '(' .. last, left - count
end
return { 'more', last }
