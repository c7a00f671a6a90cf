-- Takes over the next entry whose consumer has been silent for a lease: this one alone, because a delivery is
-- counted, and the idle time of its neighbours must go on. About 10 us for ten pending entries looked at.
-- KEYS[1] the stream
-- ARGV[1] consumer group, ARGV[2] consumer, ARGV[3] lease in ms
-- ARGV[4] where the scan goes on; `0-0` at the start
-- ARGV[5] most steps of ten entries: how long Redis may do nothing else
-- returns where the scan goes on; then, where an entry was taken over, its id, its fields and the number of its
-- deliveries with this one
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
