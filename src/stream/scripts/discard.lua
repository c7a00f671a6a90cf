-- Removes dead letters and adds a trace of each, without its body. Repeating it changes nothing.
-- A script does not roll back, so it adds the trace first.
-- KEYS[1] the dead-letter stream
-- KEYS[2] the stream of traces
-- ARGV[1] approximate maximum number of traces to keep
-- ARGV[2] removes letters only if they take more than this many bytes; empty: always
-- ARGV[3] who discards, ARGV[4] why
-- ARGV    then from, to and maximum number of letters of each range in turn
-- returns the number of letters removed
if ARGV[2] ~= '' and (redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 0) or 0) <= tonumber(ARGV[2]) then
  return 0
end
local kept = { reason = 1, sink = 1, source = 1, entry = 1, index = 1, event = 1, attempts = 1, first = 1 }
local removed = 0
for i = 5, #ARGV, 3 do
  for _, letter in ipairs(redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i + 1], 'COUNT', ARGV[i + 2])) do
    local trace = { 'letter', letter[1], 'by', ARGV[3], 'because', ARGV[4] }
    for n = 1, #letter[2], 2 do
      if kept[letter[2][n]] then
        trace[#trace + 1] = letter[2][n]
        trace[#trace + 1] = letter[2][n + 1]
      end
    end
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', unpack(trace))
    redis.call('XDEL', KEYS[1], letter[1])
    removed = removed + 1
  end
end
return removed
