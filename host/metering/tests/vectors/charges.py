"""Writes charges.json: what calls cost, by fractions, without any rounding but the last (half up, to atto-dollars).

Run it with Python 3.9 or later: python3 charges.py > charges.json
"""

import json
import random
from fractions import Fraction
from math import ceil, floor

TABLES = {
    "aws-lambda-x86": dict(
        per_request_usd="0.0000002", per_gb_second_usd="0.0000166667", granularity_us=1000, minimum_us=0,
        memory="configured", bill_init=True, gigabyte=2**30,
    ),
    "aws-lambda-arm": dict(
        per_request_usd="0.0000002", per_gb_second_usd="0.0000133334", granularity_us=1000, minimum_us=0,
        memory="configured", bill_init=True, gigabyte=2**30,
    ),
    "per-microsecond": dict(
        per_request_usd="0", per_gb_second_usd="0.0000166667", granularity_us=1, minimum_us=0,
        memory="peak", bill_init=False, gigabyte=2**30,
    ),
    # A hundred-millisecond platform with decimal gigabytes and a minimum.
    "coarse": dict(
        per_request_usd="0.0000004", per_gb_second_usd="0.0000025", granularity_us=100000, minimum_us=250000,
        memory="peak", bill_init=True, gigabyte=10**9,
    ),
}


def half_up(number):
    return floor(number + Fraction(1, 2))


def attos(table, nanoseconds, size):
    gigabyte_seconds = Fraction(nanoseconds, 10**9) * Fraction(size, table["gigabyte"])
    return half_up(gigabyte_seconds * Fraction(table["per_gb_second_usd"]) * 10**18)


def vector(name, wall, init, peak, limit):
    table = TABLES[name]
    used = wall + (init if init is not None and table["bill_init"] else 0)
    granularity = table["granularity_us"] * 1000
    billed = ceil(Fraction(max(used, table["minimum_us"] * 1000), granularity)) * granularity
    fee = half_up(Fraction(table["per_request_usd"]) * 10**18)
    memory = limit if table["memory"] == "configured" else peak
    return dict(
        table=name, wall_ns=wall, init_ns=init, peak=peak, limit=limit, billed_ns=billed,
        exact=str(attos(table, wall, peak)), billed=str(fee + attos(table, billed, memory)),
    )


def main():
    draw = random.Random(4)
    vectors = []
    for name in TABLES:
        for wall in (0, 1, 999, 1000, 1001, 50_000, 999_999, 1_000_000, 1_000_001, 900 * 10**9):
            vectors.append(vector(name, wall, None, 17_825_792, 128 * 2**20))
        for _ in range(60):
            wall = draw.randrange(1, 10 ** draw.randrange(2, 15))
            init = draw.randrange(1, 10 ** draw.randrange(2, 12)) if draw.random() < 0.4 else None
            limit = draw.randrange(1, 2 ** draw.randrange(17, 45))
            vectors.append(vector(name, wall, init, draw.randrange(limit + 1), limit))
        # A call of 146 years with 16 EiB: products that need more than 128 bits.
        vectors.append(vector(name, 2**62, None, 2**64 - 1, 2**64 - 1))
    print("[\n" + ",\n".join(json.dumps(one) for one in vectors) + "\n]")


main()
