"""`python -m tests.observability http://127.0.0.1:9090`: requires data for every panel and rule."""

import argparse

from tests.observability.coverage import Source, asked, wait_for_data, without_data


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--interval", default="1m", help="range of rates: at least four scrapes")
    parser.add_argument("--limit-s", type=float, default=120.0, help="for which to wait for data")
    given = parser.parse_args()
    questions = asked(given.interval)
    with Source(given.url) as source:
        missing = wait_for_data(source, given.interval, given.limit_s)
        empty = without_data(source, questions)
        broken = source.broken_rules()
    for where, expr in empty.items():
        print(f"{'MISSING' if where in missing else 'rightly empty'}: {where}: {' '.join(expr.split())}")
    print(
        f"{len(questions) - len(empty)} of {len(questions)} have data, {len(missing)} miss it; broken rules: {broken}"
    )
    return 1 if missing or broken else 0


raise SystemExit(main())
