"""Entries that a stopped consumer still holds go to the one that takes its place, at once."""

from collections.abc import Iterable
from typing import Any

from redis.exceptions import ResponseError

from core.workers.stream_names import FENCES, GROUP, STREAM

#: entries a call; Lua unpacks no more than some 8,000 values
_AT_ONCE = 1_000

#: KEYS stream, fences; ARGV group, from, to, most. Takes the token of whoever held the entries, so that it cannot
#: acknowledge them any more, and gives them to another without counting a delivery. Returns how many.
_GIVE = """#!lua flags=allow-oom
local ids = {}
for _, entry in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])) do
  ids[#ids + 1] = entry[1]
end
local found = #ids
if found > 0 then
  redis.call('HDEL', KEYS[2], ARGV[2])
  ids[found + 1] = 'JUSTID'
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, unpack(ids))
end
return found
"""


def hand_over(client: Any, consumers: Iterable[str], heir: str) -> int:
    """Give everything that `consumers` hold to `heir`, who finds it when it opens; returns how many entries.

    `client` is a redis.Redis. The consumers must be this machine's and stopped, or about to be. Raises what redis-py does.
    """
    given = 0
    for consumer in consumers:
        if consumer == heir:
            continue
        while True:
            try:
                moved = int(client.eval(_GIVE, 2, STREAM, FENCES, GROUP, consumer, heir, _AT_ONCE))
            except ResponseError as error:
                if "NOGROUP" in str(error) or "no such key" in str(error):
                    return given  # nobody has read anything yet
                raise
            given += moved
            if moved < _AT_ONCE:
                break
    return given
