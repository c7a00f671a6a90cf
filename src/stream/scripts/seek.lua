-- Finds the first entry that came in by one of some contracts. About 3 us an entry of 600 bytes.
-- KEYS[1] the stream
-- ARGV[1] id of the entry to begin at, ARGV[2] id to end before
-- ARGV[3] most entries that are looked at
-- ARGV    then the contracts' names
-- returns 'found', 'more' or 'end', and the id of the entry, or of the last one that was looked at: '' without any
local is_sought = {}
for i = 4, #ARGV do is_sought[ARGV[i]] = true end
local from, last, left = ARGV[1], '', tonumber(ARGV[3])
while left > 0 do
  -- In small pages: mostly it is one of the first.
  local count = math.min(left, 100)
  local page = redis.call('XRANGE', KEYS[1], from, '(' .. ARGV[2], 'COUNT', count)
  for _, entry in ipairs(page) do
    last = entry[1]
    -- The name of its field says what is known of it, first of all its source.
    if is_sought[string.match(entry[2][1], '^[^\n]*')] then return { 'found', last } end
  end
  if #page < count then return { 'end', last } end
  from, left = '(' .. last, left - count
end
return { 'more', last }
