"""Panels of the API dashboard: traffic, latency, refused requests and held requests."""

from deploy.observability.dashboards.panels import Panel, Query, Row, quantiles

_REQUESTS = "gridpress_http_requests_total"

CONTENT = [
    Row("Objectives"),
    Panel(
        "Failed requests",
        "Share of requests that ended with a 5xx status, without health probes. Absent without traffic. The objective "
        "is 0.1 %. At 1.44 % an hour uses up 2 % of a month's error budget.",
        [
            Query("gridpress:http_error_ratio:rate5m", "5 minutes"),
            Query("gridpress:http_error_ratio:rate1h", "1 hour"),
            Query("gridpress:http_error_ratio:rate6h", "6 hours"),
        ],
        unit="percentunit",
        width=12,
        limits=[(0.0144, "red")],
    ),
    Panel(
        "Slow requests",
        "Share of requests that took longer than a second, without uploads, downloads and held requests. The objective "
        "is 1 %.",
        [
            Query("gridpress:http_slow_ratio:rate5m", "5 minutes"),
            Query("gridpress:http_slow_ratio:rate1h", "1 hour"),
            Query("gridpress:http_slow_ratio:rate6h", "6 hours"),
        ],
        unit="percentunit",
        width=12,
        limits=[(0.144, "red")],
    ),
    Row("Traffic"),
    Panel(
        "Requests by status",
        "Responses a second, by status.",
        [Query(f"sum by (status) (rate({_REQUESTS}[$__rate_interval]))", "{{status}}")],
        unit="reqps",
        is_stacked=True,
    ),
    Panel(
        "Requests by route",
        "Responses a second, of the ten busiest routes.",
        [Query(f"topk(10, sum by (method, route) (rate({_REQUESTS}[$__rate_interval])))", "{{method}} {{route}}")],
        unit="reqps",
    ),
    Panel(
        "Latency",
        "Time from a request's head to the end of its response, without held requests.",
        quantiles("gridpress_http_request_duration_seconds", (0.5, 0.95, 0.99)),
        unit="s",
        limits=[(1, "orange")],
    ),
    Panel(
        "Slowest routes",
        "Mean latency of the ten slowest routes.",
        [
            Query(
                "topk(10, sum by (method, route) (rate(gridpress_http_request_duration_seconds_sum[$__rate_interval])) "
                "/ sum by (method, route) (rate(gridpress_http_request_duration_seconds_count[$__rate_interval])))",
                "{{method}} {{route}}",
            )
        ],
        unit="s",
    ),
    Panel(
        "Refusals",
        "Refused requests a minute, by the error code in the response.",
        [Query("60 * sum by (code) (rate(gridpress_http_refusals_total[$__rate_interval]))", "{{code}}")],
        is_stacked=True,
    ),
    Panel(
        "Jobs accepted",
        "Accepted jobs a minute, by API format and priority. Also stored responses that were returned again for the "
        "same idempotency key.",
        [
            Query(
                "60 * sum by (door, priority) (rate(gridpress_jobs_submitted_total[$__rate_interval]))",
                "{{door}} {{priority}}",
            ),
            Query("60 * sum(rate(gridpress_idempotent_replays_total[$__rate_interval]))", "replayed"),
        ],
    ),
    Row("Connections and callers' inputs"),
    Panel(
        "Connections",
        "Open connections. An API accepts 2,000 unless GRIDPRESS_API_CONNECTIONS sets another limit.",
        [Query("sum by (instance) (gridpress_http_connections)", "{{instance}}")],
        limits=[(1800, "red")],
    ),
    Panel(
        "Held requests",
        "Requests that wait for their job (wait), and open event streams (stream).",
        [Query("sum by (kind) (gridpress_http_held_requests)", "{{kind}}")],
        is_stacked=True,
    ),
    Panel(
        "Time held",
        "Duration of requests that waited for their job, and of event streams.",
        quantiles("gridpress_http_held_seconds", (0.5, 0.95)),
        unit="s",
    ),
    Panel(
        "Killed child processes",
        "Child processes an hour that were killed since an input took too much time or memory, or that crashed.",
        [Query("3600 * sum by (reason) (rate(gridpress_sandbox_kills_total[$__rate_interval]))", "{{reason}}")],
        limits=[(80, "red")],
    ),
]
