-- Claims the next entry whose consumer has been silent for a lease. Claims only one, because XAUTOCLAIM counts a
-- delivery and resets the idle time of what it claims. About 10 us for each ten pending entries scanned.
-- KEYS[1] the stream
-- ARGV[1] consumer group, ARGV[2] consumer, ARGV[3] lease in ms
-- ARGV[4] where the scan continues; `0-0` at the start
-- ARGV[5] maximum number of steps of ten entries: this limits how long the script blocks Redis
-- returns where the scan continues; then, if an entry was claimed, its id, its fields and the number of its deliveries,
-- this one included
local cursor = ARGV[4]
for _ = 1, ARGV[5] do
  local reply = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], cursor, 'COUNT', 1)
  cursor = reply[1]
  local entry = reply[2][1]
  if entry then
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)
    return { cursor, entry[1], entry[2], pending[1][4] }
  end
  if cursor == '0-0' then break end
end
return { cursor }
