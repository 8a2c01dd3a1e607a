-- Charge what a request has taken instead of what was granted to it: once, and only in windows that still run.
--
-- KEYS[1]  the account; see reserve.lua
-- ARGV     the reservation's id; what was spent; '1' where nobody knows whether the reservation was made: if it comes
--          only now, behind this, it is to be refused

local account, id = KEYS[1], 'r:' .. ARGV[1]
local DAY = 86400

local mark = redis.call('HGET', account, id)
if not mark then
  if ARGV[3] == '1' then
    redis.call('HSET', account, id, 'void')
    if redis.call('TTL', account) < 0 then redis.call('EXPIRE', account, DAY) end
  end
  return 0
end

local minute, granted = string.match(mark, '^(%d+):(%d+)$')
if not minute then return 0 end
redis.call('HDEL', account, id)
local change = string.format('%.0f', tonumber(ARGV[2]) - tonumber(granted))
redis.call('HINCRBY', account, 'day_compute', change)
if redis.call('HGET', account, 'minute') == minute then
  redis.call('HINCRBY', account, 'minute_compute', change)
end
return 1
