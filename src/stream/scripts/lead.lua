-- Takes the lead, or keeps it. What has it already is only prolonged: a Redis that is full refuses more.
-- KEYS[1] who leads
-- ARGV[1] who asks, ARGV[2] for how long, in ms; 0: no longer
-- returns 1 where who asks leads now, 0 where another one does
local leader = redis.call('GET', KEYS[1])
if leader == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
if leader or ARGV[2] == '0' then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
