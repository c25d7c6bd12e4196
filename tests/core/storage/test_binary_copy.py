"""The COPY payload, through a real Postgres and back."""

import numpy as np
import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.embedded import EmbeddedServers
from core.storage.binary_copy import BinaryCopy

KINDS = {"a": "int2", "b": "int4", "c": "int8", "d": "timestamptz", "e": "float8", "f": "bool"}
DTYPES = {"a": np.int16, "b": np.int32, "c": np.int64, "d": np.int64, "e": np.float64, "f": np.bool_}

ROW = st.tuples(
    st.integers(-(2**15), 2**15 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-62_000_000_000_000, 250_000_000_000_000),
    st.floats(allow_nan=False),
    st.booleans(),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, max_size=30))
def test_what_is_copied_in_is_read_back_bit_for_bit(postgres: EmbeddedServers, rows: list[tuple[object, ...]]) -> None:
    columns = {name: np.array([row[i] for row in rows], DTYPES[name]) for i, name in enumerate(KINDS)}
    with psycopg.connect(postgres.database_url) as connection:
        connection.execute("CREATE TEMP TABLE t (n serial, a int2, b int4, c int8, d timestamptz, e float8, f bool)")
        with connection.cursor().copy("COPY t (a, b, c, d, e, f) FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(BinaryCopy(KINDS).encode(columns))
        read = connection.execute("SELECT a, b, c, (extract(epoch FROM d) * 1000)::int8, e, f FROM t ORDER BY n").fetchall()
    assert read == rows
    assert [np.float64(row[4]).tobytes() for row in read] == [np.float64(row[4]).tobytes() for row in rows]
