-- Stores the parts of an entry, all or none.
-- KEYS: the stream, its state, its attempts. ARGV: lineage, expected end or '', attempt, parts...
-- Returns what came of it, and a sequence: of the last part if it is 'stored', else of the log's end.
--
-- An element of the stream is: <lineage> payload, 'attempt' the attempt, 'before' the bytes of all
-- payloads before it. Nothing is written before the first XADD, and nothing after it can fail.

local function text(number) return string.format('%.0f', number) end

-- Where nothing is written: without effect, but a write. A replica refuses it, so that nobody takes
-- its word.
local function tell(word, seq)
  redis.call('PERSIST', KEYS[2])
  return { word, tonumber(seq) }
end

local lineage, last, bytes = unpack(redis.call('HMGET', KEYS[2], 'lineage', 'last', 'bytes'))
if lineage ~= ARGV[1] then return { 'other', 0 } end
local expect, attempt, parts, done = ARGV[2], ARGV[3], #ARGV - 3, last + #ARGV - 3

if expect == '' then
  local stored = redis.call('ZSCORE', KEYS[3], attempt)
  if stored then return tell('stored', stored) end
elseif expect ~= last then
  -- Sent again? Then it is what follows the expected end.
  local place = text(expect + 1) .. '-0'
  local found = redis.call('XRANGE', KEYS[1], place, place)[1]
  if found and found[2][4] == attempt then return tell('stored', expect + parts) end
  local trimmed = not found and tonumber(expect) < tonumber(last)
  return tell(trimmed and 'trimmed' or 'refused', last)
end

for part = 1, parts do
  local payload = ARGV[3 + part]
  redis.call('XADD', KEYS[1], text(last + part) .. '-0', lineage, payload, 'attempt', attempt, 'before', bytes)
  bytes = text(bytes + #payload)
end
redis.call('HSET', KEYS[2], 'last', text(done), 'bytes', bytes)
if expect == '' then
  -- Nothing in the log tells where an entry without a condition went: the newest are noted.
  redis.call('ZADD', KEYS[3], text(done), attempt)
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -10001)
end
return { 'stored', done }
