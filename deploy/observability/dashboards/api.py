"""The HTTP API: traffic, latency, refusals, held requests."""

from deploy.observability.dashboards.panels import Panel, Query, Row, quantiles

_REQUESTS = "gridpress_http_requests_total"

CONTENT = [
    Row("Objectives"),
    Panel(
        "Failed requests",
        "Share that ended with a 5xx, without probes. Absent without traffic. The objective is 0.1 %; from 1.44 % on "
        "an hour spends 2 % of a month's budget.",
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
        "Share that took longer than a second, without up- and downloads and what was held. The objective is 1 %.",
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
        "Responses a second.",
        [Query(f"sum by (status) (rate({_REQUESTS}[$__rate_interval]))", "{{status}}")],
        unit="reqps",
        is_stacked=True,
    ),
    Panel(
        "Requests by route",
        "Responses a second, of the ten busiest.",
        [Query(f"topk(10, sum by (method, route) (rate({_REQUESTS}[$__rate_interval])))", "{{method}} {{route}}")],
        unit="reqps",
    ),
    Panel(
        "Latency",
        "From a request's head to the end of its response, without what was held.",
        quantiles("gridpress_http_request_duration_seconds", (0.5, 0.95, 0.99)),
        unit="s",
        limits=[(1, "orange")],
    ),
    Panel(
        "Slowest routes",
        "Mean latency, of the ten slowest.",
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
        "Requests refused a minute, by the code in the response.",
        [Query("60 * sum by (code) (rate(gridpress_http_refusals_total[$__rate_interval]))", "{{code}}")],
        is_stacked=True,
    ),
    Panel(
        "Jobs accepted",
        "A minute, by the API that took them and their priority; and responses that were replayed by their key.",
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
        "Open ones. An API takes 2,000 unless GRIDPRESS_API_CONNECTIONS says otherwise.",
        [Query("sum by (instance) (gridpress_http_connections)", "{{instance}}")],
        limits=[(1800, "red")],
    ),
    Panel(
        "Held requests",
        "Requests that wait for their job, and open event streams.",
        [Query("sum by (kind) (gridpress_http_held_requests)", "{{kind}}")],
        is_stacked=True,
    ),
    Panel(
        "Time held",
        "Of requests that waited for their job, and of event streams.",
        quantiles("gridpress_http_held_seconds", (0.5, 0.95)),
        unit="s",
    ),
    Panel(
        "Killed child processes",
        "Inputs of callers that took too long or too much memory, or crashed their decoder, an hour.",
        [Query("3600 * sum by (reason) (rate(gridpress_sandbox_kills_total[$__rate_interval]))", "{{reason}}")],
        limits=[(80, "red")],
    ),
]
