"""Panels of the overview dashboard: whether the service works, and which dashboard to open next."""

from deploy.observability.dashboards.panels import Panel, Query, Row

_RENDERS = "gridpress_renders_total"


def _stat(title: str, description: str, expr: str, legend: str, **more: object) -> Panel:
    return Panel(title, description, [Query(expr, legend)], is_stat=True, width=4, height=5, **more)  # type: ignore[arg-type]


CONTENT = [
    Row("Is it well?"),
    _stat(
        "Firing alerts",
        "Alerts that fire now, without GridpressWatchdog. docs/operations.md has an entry for each alert.",
        'count(ALERTS{alertname=~"Gridpress.*", alertstate="firing", severity=~"critical|warning"}) or vector(0)',
        "alerts",
        limits=[(1, "red")],
    ),
    _stat(
        "Upkeep's last tick",
        "Time since upkeep last finished a tick. If it is long, the values of stages and stores on these dashboards "
        "are outdated.",
        "time() - max(gridpress_upkeep_last_tick_timestamp_seconds)",
        "age",
        unit="s",
        limits=[(10, "orange"), (60, "red")],
    ),
    _stat(
        "Roles seen",
        "Processes of all roles that report metrics.",
        "count(gridpress_build_info)",
        "processes",
        first_colour="red",
        limits=[(5, "green")],
    ),
    _stat(
        "Object store",
        "Whether upkeep's test writes succeed.",
        "max(gridpress_object_store_writable)",
        "writable",
        first_colour="red",
        limits=[(1, "green")],
        words={"0": "accepts no writes", "1": "writable"},
    ),
    _stat(
        "Failed requests",
        "Share of requests that ended with a 5xx status in the last hour. The objective is 0.1 %.",
        "gridpress:http_error_ratio:rate1h",
        "5xx",
        unit="percentunit",
        limits=[(0.001, "orange"), (0.0144, "red")],
    ),
    _stat(
        "Dead letters",
        "Renders that failed because they crashed their workers.",
        "max(gridpress_dead_letters)",
        "dead letters",
        limits=[(1, "orange")],
    ),
    Row("Work"),
    Panel(
        "Pictures a minute",
        "Renders whose DiT stage ended, by outcome.",
        [Query(f'60 * sum by (outcome) (rate({_RENDERS}{{stage="dit"}}[$__rate_interval]))', "{{outcome}}")],
        is_stacked=True,
    ),
    Panel(
        "Jobs accepted a minute",
        "Accepted jobs a minute, by API format and priority.",
        [
            Query(
                "60 * sum by (door, priority) (rate(gridpress_jobs_submitted_total[$__rate_interval]))",
                "{{door}} {{priority}}",
            )
        ],
        is_stacked=True,
    ),
    Panel(
        "Renders that wait",
        "Renders that wait for a worker of the stage. Lines of a batch count only once they are submitted as jobs.",
        [Query("max by (stage) (gridpress_stage_waiting)", "{{stage}}")],
    ),
    Panel(
        "Backlog",
        "Time that the live workers need for the waiting renders. Absent while the throughput is unknown or no worker "
        "is alive.",
        [Query("max by (stage) (gridpress_stage_backlog_seconds)", "{{stage}}")],
        unit="s",
        limits=[(600, "red")],
    ),
    Panel(
        "Workers",
        "Live workers, and workers that the waiting and running renders need (wanted).",
        [
            Query("max by (stage) (gridpress_stage_workers)", "{{stage}} live"),
            Query("max by (stage) (gridpress_stage_wanted_workers)", "{{stage}} wanted"),
        ],
    ),
    Panel(
        "Slots in use",
        "Share of the slots of live workers that hold a render.",
        [Query("max by (stage) (gridpress_stage_running) / (max by (stage) (gridpress_stage_slots) > 0)", "{{stage}}")],
        unit="percentunit",
        highest=1,
    ),
    Row("Stores and processes"),
    Panel(
        "Job store's memory",
        "Memory in use, and the memory limit. From 90 % on the API refuses new jobs. Without a limit only one line.",
        [
            Query("max(gridpress_store_used_bytes)", "in use"),
            Query("max(gridpress_store_max_bytes) > 0", "limit"),
        ],
        unit="bytes",
    ),
    Panel(
        "Requests to the object store",
        "Mean duration of requests by operation, including retries.",
        [
            Query(
                "sum by (operation) (rate(gridpress_object_store_request_seconds_sum[$__rate_interval])) / "
                "sum by (operation) (rate(gridpress_object_store_request_seconds_count[$__rate_interval]))",
                "{{operation}}",
            )
        ],
        unit="s",
    ),
    Panel(
        "Errors of the stores",
        "Failed calls of the stores a second, and unexpected errors of background threads.",
        [
            Query("sum(rate(gridpress_store_errors_total[$__rate_interval]))", "job store"),
            Query(
                "sum by (operation) (rate(gridpress_object_store_errors_total[$__rate_interval]))",
                "object store {{operation}}",
            ),
            Query("sum by (thread) (rate(gridpress_background_faults_total[$__rate_interval]))", "thread {{thread}}"),
        ],
        unit="ops",
    ),
    Panel(
        "Processor time",
        "CPU cores that a process uses. An API of several processes reports none.",
        [Query('rate(process_cpu_seconds_total{job=~".*gridpress.*"}[$__rate_interval])', "{{instance}} {{role}}")],
        unit="short",
        width=12,
    ),
    Panel(
        "Memory of processes",
        "Resident memory of a process. An API of several processes reports none.",
        [Query('process_resident_memory_bytes{job=~".*gridpress.*"}', "{{instance}} {{role}}")],
        unit="bytes",
        width=12,
    ),
]
