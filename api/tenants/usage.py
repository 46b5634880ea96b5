"""The route `/v1/usage`, which tells what a tenant has used, by day, API key and quality."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from flask import Blueprint, Response, request

from api.edge.authentication import caller, is_operator
from api.problems.errors import MissingScope
from api.services import services
from api.tenants.usage_formats import format_of, in_csv, in_json_lines
from api.tenants.usage_rows import Asked, Cursor, Group, rows_of
from api.tenants.usage_schemas import UsagePage, UsageQuery, UsageResponse
from shared.access.keys import Scope
from shared.errors import InvalidRequest
from shared.ids import TenantId
from shared.intake.fields import validated

usage = Blueprint("usage", __name__, url_prefix="/v1/usage")


@usage.get("")
def read() -> Response | dict[str, Any]:
    """Returns what the tenant used from the day `from` to the day `to`, both included, in UTC.

    There is one row for each day, or for what `group_by` names. A day counts what ended on it: finished pictures and
    delivered webhook messages. JSON comes in pages. CSV and JSON lines (`format`, or the header field `Accept`) have
    all rows. Another tenant than the caller's own needs the scope `operator`, and so do all tenants together.
    """
    query = validated(UsageQuery, request.args.to_dict())
    first, last = _days(query)
    tenant = _tenant(query)
    rows = rows_of(services().usage, Asked(tenant, first, last, frozenset(query.groups), query.cursor))
    match format_of(query.format):
        case "csv":
            return _file(in_csv(rows), "text/csv; charset=utf-8", f"usage-{first}-{last}.csv")
        case "jsonl":
            return _file(in_json_lines(rows), "application/jsonl", f"usage-{first}-{last}.jsonl")
    found = list(islice(rows, query.limit + 1))
    page, has_more = found[: query.limit], len(found) > query.limit
    data = [UsageResponse.of(row) for row in page]
    return UsagePage(data=data, has_more=has_more, next=_cursor(page[-1]) if has_more else None).model_dump(mode="json")


def _days(query: UsageQuery) -> tuple[date, date]:
    """Returns the first and the last day, within the time for which usage is kept. Raises `InvalidRequest`."""
    today = datetime.now(UTC).date()
    last = query.to or today
    first = query.since or last.replace(day=1)
    if first > last:
        raise InvalidRequest(f"must not be after `to`, which is {last}", "from")
    oldest = today - timedelta(days=services().settings.usage_kept_days + 31)
    return max(first, oldest), min(last, today + timedelta(days=1))


def _tenant(query: UsageQuery) -> TenantId | None:
    """Returns the tenant whose usage is asked for; None for all tenants. Raises `MissingScope`."""
    if query.all_tenants and query.tenant:
        raise InvalidRequest("can't be set together with `tenant`", "all_tenants")
    own = caller().tenant
    asked = None if query.all_tenants else TenantId(query.tenant or own)
    if asked != own and not is_operator():
        raise MissingScope(Scope.OPERATOR)
    return asked


def _cursor(group: Group) -> str:
    return Cursor.of(group).as_text()


def _file(lines: Iterator[str], content_type: str, name: str) -> Response:
    response = Response((line.encode() for line in lines), content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
