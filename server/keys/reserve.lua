-- Charge one request and some compute to a key, or nothing at all; server/keys/local.py says the same in Python.
--
-- KEYS[1]  the account: a hash with the day and the minute that it is about, what was used in them, and for each
--          reservation that is not settled `r:<id>` = "<its minute>:<what was granted>"
-- ARGV     the reservation's id; ask; least; the limits (requests a day, compute a day, requests a minute, compute a
--          minute; '' for none); the time in seconds, '' for that of Redis
-- Returns  {refused, granted, time in microseconds, day, minute, and the four that are used}

local account, id, ask, least = KEYS[1], 'r:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local NAMES = {'day_requests', 'day_compute', 'minute_requests', 'minute_compute'}
local DAY, MINUTE, GRACE = 86400, 60, 60

local now = tonumber(ARGV[8])
if not now then
  local clock = redis.call('TIME')
  now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
end

local function text(number)
  return string.format('%.0f', number)  -- tostring would round beyond 14 digits
end

local found = redis.call('HMGET', account, 'day', 'minute', NAMES[1], NAMES[2], NAMES[3], NAMES[4], id)
local day, minute = tonumber(found[1]) or -1, tonumber(found[2]) or -1
local used = {}
for i = 1, 4 do used[i] = tonumber(found[i + 2]) or 0 end

local mark, dawn = found[7], math.floor(now / DAY) > day
if dawn then  -- a clock that goes back, as after a failover, brings no old window back
  day, used[1], used[2], mark = math.floor(now / DAY), 0, 0, false
end
if math.floor(now / MINUTE) > minute then
  minute, used[3], used[4] = math.floor(now / MINUTE), 0, 0
end

local function reply(refused, granted)
  return {refused, granted, math.floor(now * 1000000), day, minute, used[1], used[2], used[3], used[4]}
end

if mark then  -- asked again, for the first reply was lost; or given back before it was asked
  local granted = string.match(mark, ':(%d+)$')
  if granted then return reply(0, tonumber(granted)) end
  return reply(-1, 0)
end

local needed, left = {1, least, 1, least}, nil
for i = 1, 4 do
  local limit = tonumber(ARGV[i + 3])
  if limit then
    if limit - used[i] < needed[i] then return reply(i, 0) end
    if i % 2 == 0 then left = math.min(left or math.huge, limit - used[i]) end
  end
end

if dawn then redis.call('DEL', account) end
local granted = 0
if left then
  granted = ask
  if 2 * ask > left then granted = math.max(least, math.floor(left / 2)) end
  redis.call('HSET', account, id, text(minute) .. ':' .. text(granted))
end
local more = {1, granted, 1, granted}
redis.call('HSET', account, 'day', text(day), 'minute', text(minute))
for i = 1, 4 do
  used[i] = used[i] + more[i]
  redis.call('HSET', account, NAMES[i], text(used[i]))
end
redis.call('EXPIRE', account, math.max(1, math.ceil((day + 1) * DAY - now)) + GRACE)
return reply(0, granted)
