-- Lists a snapshot whose pieces are all stored. One of the same digest is replaced; its pieces stay
-- for a while, for whoever reads them.
-- KEYS: the list, the pieces, what the keys of pieces begin with. ARGV: digest, description (it
-- begins with the end of the pieces' key), how many pieces, how long replaced ones stay in seconds.
-- Returns 0 if pieces are missing.

if redis.call('HLEN', KEYS[2]) ~= tonumber(ARGV[3]) then return 0 end
local replaced = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('PERSIST', KEYS[2])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if replaced then
  local pieces = KEYS[3] .. replaced:match('^%S*')
  if pieces ~= KEYS[2] then redis.call('EXPIRE', pieces, ARGV[4]) end
end
return 1
