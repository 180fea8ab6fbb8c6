-- Which log this is, how far it goes, and what one place holds. A log begins here if there is none.
-- KEYS: the stream, its state, its attempts. ARGV: the lineage of a new log, a sequence (0: none).
-- Returns: lineage, first, last, bytes, payload or nil.

-- Without effect, but a write: a replica refuses it, so that nobody takes its word.
redis.call('PERSIST', KEYS[2])
if redis.call('EXISTS', KEYS[2]) == 0 then
  if redis.call('EXISTS', KEYS[1]) == 1 then
    return redis.error_reply('HA the key ' .. KEYS[1] .. ' exists without ' .. KEYS[2] .. ': it is not a log of ha, or a part of it was deleted')
  end
  redis.call('HSET', KEYS[2], 'lineage', ARGV[1], 'last', '0', 'bytes', '0')
  redis.call('DEL', KEYS[3])
end
local lineage, last, bytes = unpack(redis.call('HMGET', KEYS[2], 'lineage', 'last', 'bytes'))
local first, stored = last + 1, 0
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if oldest then
  first = tonumber(oldest[1]:match('^%d+'))
  stored = bytes - oldest[2][6]
end
local place = ARGV[2] .. '-0'
local found = ARGV[2] ~= '0' and redis.call('XRANGE', KEYS[1], place, place)[1]
return { lineage, first, tonumber(last), stored, found and found[2][2] or false }
