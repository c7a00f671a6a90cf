-- Appends records to a partition's clean feed, each key once within the retention.
-- A script does not roll back, so XADD comes before SET: an error between the two may duplicate a record, never lose one.
-- Redis checks its memory only before a script's first write, and writes a script's effects to its log as one unit.
-- KEYS[1] the feed
-- KEYS    then the key that remembers each record's own key, in turn
-- ARGV[1] retention in milliseconds: Redis trims older records, node by node, and expires older keys
-- ARGV    then contract, key, entry, received, trace, value of each record in turn
-- returns the number of records added
local retention = tonumber(ARGV[1])
local names = { 'contract', 'key', 'entry', 'received', 'trace', 'value' }
local added = 0
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    local record = {}
    for n, name in ipairs(names) do
      record[#record + 1] = name
      record[#record + 1] = ARGV[1 + (i - 2) * #names + n]
    end
    local id = redis.call('XADD', KEYS[1], '*', unpack(record))
    redis.call('SET', KEYS[i], id, 'PX', retention)
    added = added + 1
  end
end
if added > 0 then
  local now = redis.call('TIME')
  local oldest = now[1] * 1000 + math.floor(now[2] / 1000) - retention
  redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f', oldest))
end
return added
