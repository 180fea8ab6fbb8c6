-- Forgets a snapshot and its pieces, as they are listed at this moment. Nothing if it is not listed.
-- KEYS: the list, what the keys of pieces begin with. ARGV: digest. Returns how many it was.

local listed = redis.call('HGET', KEYS[1], ARGV[1])
if not listed then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('UNLINK', KEYS[2] .. listed:match('^%S*'))
return 1
