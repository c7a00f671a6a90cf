-- Removes a consumer that leaves, unless it still holds pending entries: DELCONSUMER would lose them.
-- KEYS[1] the stream
-- ARGV[1] consumer group, ARGV[2] consumer
-- returns 1 where it was removed
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
-- Where Redis has lost the stream or the group there is nothing to remove.
if consumers.err then return 0 end
for _, consumer in ipairs(consumers) do
  local name, pending
  for i = 1, #consumer, 2 do
    if consumer[i] == 'name' then name = consumer[i + 1] end
    if consumer[i] == 'pending' then pending = consumer[i + 1] end
  end
  if name == ARGV[2] and pending == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return 1
  end
end
return 0
