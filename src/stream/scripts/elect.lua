-- Elects a replica, or renews the elected one. A renewal only extends the key's expiry, which a full Redis still allows.
-- KEYS[1] the id of the elected replica
-- ARGV[1] id of the calling replica, ARGV[2] for how long, in ms; 0: it resigns
-- returns 1 if the calling replica is elected now, else 0
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
