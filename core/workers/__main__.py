"""`python -m core.workers`: a pool on this machine, against any Redis and any Postgres."""

import argparse
import gc
import os
import sys

import msgspec
import uvloop

from core.base.clock import SystemClock
from core.base.errors import ConfigError, FatalError
from core.base.log import configure_logging
from core.base.settings import url_password
from core.workers.pool_config import PoolConfig

#: how long another thread may keep the interpreter while the loop wants it: a batch takes milliseconds
_SWITCH_S = 0.0005


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m core.workers", description="Workers on the Redis stream of ticks, until SIGTERM."
    )
    parser.add_argument("--redis-url", default=os.environ.get("REDIS_URL"), help="default: REDIS_URL")
    parser.add_argument("--database-url", default=os.environ.get("DATABASE_URL"), help="default: DATABASE_URL")
    parser.add_argument("--workers", type=int, help="1–8; default: 70 %% of the cores, 5 to 8")
    parser.add_argument("--batch-size", type=int, default=50, help="ticks of a batch (50)")
    parser.add_argument("--name", help="begins the workers' names; default: the host's")
    for hidden in ("--pool", "--slots", "--config"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    for hidden in ("--child", "--paused"):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(options: argparse.Namespace) -> None:
    if options.child:
        from core.workers.worker import WorkerProcess, serve
        from core.workers.worker_orders import Order

        # what is imported stays: the collector need not look at it again, nor after every few hundred ticks
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
        config = msgspec.json.decode(options.config, type=PoolConfig)
        process = WorkerProcess(options.redis_url, options.database_url, options.name, options.pool, config, SystemClock())
        order = Order([int(slot) for slot in options.slots.split(",")], options.paused)
        uvloop.run(serve(process, order, is_child=True))
    else:
        from core.workers.optimized_stream_processor import start_optimized_processor

        uvloop.run(
            start_optimized_processor(
                options.redis_url,
                options.workers,
                options.batch_size,
                database_url=options.database_url,
                name=options.name,
            )
        )


def main() -> int:
    options = _options()
    urls = [url for url in (options.redis_url, options.database_url) if url]
    configure_logging(os.environ.get("LOG_LEVEL", "INFO"), filter(None, map(url_password, urls)))
    sys.setswitchinterval(_SWITCH_S)
    try:
        _run(options)
    except (ConfigError, FatalError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (ValueError, msgspec.DecodeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
