-- Elects a replica, or keeps the one that is elected. Its key is only prolonged then: a Redis that is full refuses more.
-- KEYS[1] the id of the elected replica
-- ARGV[1] id of the replica that asks, ARGV[2] for how long, in ms; 0: it resigns
-- returns 1 where the replica that asks is elected now, 0 where it is not
local elected = redis.call('GET', KEYS[1])
if elected == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
if elected or ARGV[2] == '0' then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
