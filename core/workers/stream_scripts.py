"""What has to happen in Redis at once, as scripts that run there.

A consumer holds a token (`FENCES`). Whoever takes entries from a consumer takes its token away first, and a consumer that
opens anew gets another one; a script that brings the wrong token does nothing. So a worker that was frozen, cut off or
replaced cannot acknowledge what is no longer its own, not even by a command that a frozen Redis finds in its buffers
after it thaws. `allow-oom`: a Redis that is full must let its workers take entries out.
"""

import functools
import hashlib

#: KEYS stream, fences, totals, targets…; ARGV group, consumer, token, processed, duplicates, errors, most entries of a
#: target (0: any), number of ids, ids…, then per target the number of its fields and the fields. Adds an entry to each
#: target and acknowledges the ids. Returns how long the longest target is, -1 for a wrong token.
COMMIT = """#!lua flags=allow-oom
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[3] then return -1 end
local longest, at, most = 0, 9 + tonumber(ARGV[8]), ARGV[7]
for target = 4, #KEYS do
  local count = tonumber(ARGV[at])
  if most == '0' then
    redis.call('XADD', KEYS[target], '*', unpack(ARGV, at + 1, at + count))
  else
    redis.call('XADD', KEYS[target], 'MAXLEN', '~', most, '*', unpack(ARGV, at + 1, at + count))
  end
  at = at + count + 1
  longest = math.max(longest, redis.call('XLEN', KEYS[target]))
end
if ARGV[8] ~= '0' then redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 9, 8 + tonumber(ARGV[8]))) end
for place, name in ipairs({'processed', 'duplicates', 'errors'}) do
  if ARGV[3 + place] ~= '0' then redis.call('HINCRBY', KEYS[3], name, ARGV[3 + place]) end
end
return longest
"""

#: KEYS stream, fences; ARGV group, consumer, token, 1 to count a delivery and get the entries or 0 to tell a sign of life,
#: ids…, all of them the consumer's own. Returns the entries (nothing for a sign of life), -1 for a wrong token.
HOLD = """#!lua flags=allow-oom
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[3] then return -1 end
if ARGV[4] == '1' then return redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(ARGV, 5)) end
local ids = {unpack(ARGV, 5)}
table.insert(ids, 'JUSTID')
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(ids))
return {}
"""

#: KEYS stream, fences; ARGV group, consumer, token, least idle ms, most. XAUTOCLAIM … JUSTID that also takes the token of
#: whoever is robbed. Returns how many entries it took or found among the consumer's own, -1 for a wrong token.
SWEEP = """#!lua flags=allow-oom
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[3] then return -1 end
local taken = 0
for _, entry in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[4], '-', '+', ARGV[5])) do
  if entry[2] ~= ARGV[2] then
    redis.call('HDEL', KEYS[2], entry[2])
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry[1], 'JUSTID')
  end
  taken = taken + 1
end
return taken
"""

#: KEYS slot, fences; ARGV pool, token, ms, consumer. Takes the name for the pool unless another pool uses it, and gives
#: out the token. Returns 1, or 0 when the name is in use.
ENTER = """
local user = redis.call('GET', KEYS[1])
if user and user ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
redis.call('HSET', KEYS[2], ARGV[4], ARGV[2])
return 1
"""

#: KEYS key; ARGV value, ms. Takes or prolongs what is ours or nobody's. Returns 1, or 0 when it is somebody else's.
KEEP = """
local user = redis.call('GET', KEYS[1])
if user and user ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

#: KEYS key; ARGV value. Gives back what is ours.
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

#: KEYS stream, fences; ARGV group, least idle ms, what the keys of names in use begin with. Forgets consumers that hold
#: nothing, have not been heard of for long, and whose name no pool uses: a paused worker is silent, too.
FORGET = """
local gone = 0
for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for at = 1, #fields, 2 do consumer[fields[at]] = fields[at + 1] end
  local silent = consumer['pending'] == 0 and consumer['idle'] >= tonumber(ARGV[2])
  if silent and redis.call('EXISTS', ARGV[3] .. consumer['name']) == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer['name'])
    redis.call('HDEL', KEYS[2], consumer['name'])
    gone = gone + 1
  end
end
return gone
"""

#: KEYS dead letters, stream; ARGV id, then the entry's fields. Puts a dead letter back into the stream, once.
REPLAY = """
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
return 1
"""


@functools.cache
def digest(script: str) -> str:
    """By which Redis knows a script it has seen."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
