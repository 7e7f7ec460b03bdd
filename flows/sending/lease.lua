-- One sender process asks for its part of one shared limit, for a slice of time; atomic, by Redis's own clock.
--
-- KEYS[1]  a hash: process -> heartbeat, demands by class, what it was granted
-- ARGV     process, how many processes share the limit, rate (messages/s), demand of critical, standard, bulk
--          (messages/s), reserve for bulk (share), whether it leaves (1)
-- returns  what is granted, messages/s times 1000
--
-- Never above the rate: nobody is granted what others still hold (cut off, they keep to it for as long as they count
-- as alive here), and who has not been heard of may be running on its static share, which is left to it.

local me, of, rate = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local demand = {tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])}
local reserve, leaves = tonumber(ARGV[7]), ARGV[8] == '1'
local HEARD_MS, FORGOTTEN_MS = 1000, 86400000

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

if leaves then
  redis.call('HSET', KEYS[1], me, table.concat({now, -1, 0, 0, 0}, ' '))
  redis.call('PEXPIRE', KEYS[1], FORGOTTEN_MS)
  return 0
end

local live, left, held = 1, 0, 0
local total = {demand[1], demand[2], demand[3]}
local entries = redis.call('HGETALL', KEYS[1])
for place = 1, #entries, 2 do
  local fields = {}
  for field in string.gmatch(entries[place + 1], '%S+') do fields[#fields + 1] = tonumber(field) end
  if entries[place] ~= me then
    if fields[2] < 0 then
      left = left + 1
    elseif now - fields[1] < HEARD_MS then
      live = live + 1
      for class = 1, 3 do total[class] = total[class] + fields[class + 1] end
      held = held + fields[5]
    elseif now - fields[1] > FORGOTTEN_MS then
      redis.call('HDEL', KEYS[1], entries[place])
    end
  end
end

local unheard = math.max(0, of - live - left)
local pool = rate * (1 - unheard / of)

-- Critical, standard, bulk, in that order; but bulk has its reserve.
local kept = math.min(total[3], reserve * pool)
local given = {math.min(total[1], pool - kept)}
given[2] = math.min(total[2], pool - kept - given[1])
given[3] = math.min(total[3], pool - given[1] - given[2])
local part = (pool - given[1] - given[2] - given[3]) / live
for class = 1, 3 do
  if total[class] > 0 then part = part + given[class] * demand[class] / total[class] end
end

local granted = math.max(0, math.min(part, pool - held))
redis.call('HSET', KEYS[1], me, table.concat({now, demand[1], demand[2], demand[3], granted}, ' '))
redis.call('PEXPIRE', KEYS[1], FORGOTTEN_MS)
return math.floor(granted * 1000)
