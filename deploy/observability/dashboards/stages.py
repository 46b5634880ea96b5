"""Panels of the stages dashboard: waiting renders, occupancy and speed of workers, and failures."""

from deploy.observability.dashboards.panels import Panel, Query, Row, quantiles

CONTENT = [
    Row("What waits"),
    Panel(
        "Waiting and running",
        "Waiting and running renders of the stage, of all tenants.",
        [
            Query("max by (stage) (gridpress_stage_waiting)", "{{stage}} waiting"),
            Query("max by (stage) (gridpress_stage_running)", "{{stage}} running"),
        ],
    ),
    Panel(
        "Oldest wait",
        "Waiting time of the render that has waited longest.",
        [Query("max by (stage) (gridpress_oldest_wait_seconds)", "{{stage}}")],
        unit="s",
        limits=[(1800, "red")],
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
        "Stalled",
        "Whether renders have waited for long while slots were free.",
        [Query("max by (stage) (gridpress_stage_stalled)", "{{stage}}")],
        is_stat=True,
        width=8,
        height=5,
        limits=[(1, "red")],
        words={"0": "no", "1": "stalled"},
    ),
    Panel(
        "Deaf workers",
        "Live workers that have free slots but ask for no hints, by queue.",
        [Query("max by (queue) (gridpress_stage_deaf_workers)", "{{queue}}")],
        is_stat=True,
        width=8,
        height=5,
        limits=[(1, "red")],
    ),
    Panel(
        "Unserved renders",
        "Renders that wait for a model revision that no live worker serves.",
        [Query("max by (stage, revision) (gridpress_unserved_renders)", "{{stage}} {{revision}}")],
        is_stat=True,
        if_absent="none",
        width=8,
        height=5,
        limits=[(1, "red")],
    ),
    Panel(
        "Paused",
        "What operators have paused, by kind: stages, priority classes, tenants and model revisions.",
        [Query("max by (kind) (gridpress_pauses)", "{{kind}}")],
        is_stat=True,
        width=8,
        height=5,
        limits=[(1, "orange")],
    ),
    Panel(
        "Renders too large",
        "Renders that wait because they are too large for the memory of every live worker.",
        [Query("max by (stage, size_class) (gridpress_too_large_renders)", "{{stage}} {{size_class}}")],
        is_stat=True,
        if_absent="none",
        width=8,
        height=5,
        limits=[(1, "red")],
    ),
    Row("Workers"),
    Panel(
        "Workers and slots",
        "Live workers, their slots, and the workers that the waiting and running renders need (wanted).",
        [
            Query("max by (stage) (gridpress_stage_workers)", "{{stage}} workers"),
            Query("max by (stage) (gridpress_stage_slots)", "{{stage}} slots"),
            Query("max by (stage) (gridpress_stage_wanted_workers)", "{{stage}} wanted workers"),
        ],
    ),
    Panel(
        "Slots in use by worker",
        "Share of a worker's slots that hold a render.",
        [Query("max by (stage, instance, role) (gridpress_engine_occupancy)", "{{stage}} {{instance}} {{role}}")],
        unit="percentunit",
        highest=1,
    ),
    Panel(
        "KV memory of AR workers",
        "Share of the KV memory that is reserved. Near 100 % with free slots, the memory is too small for the slots.",
        [Query("max by (instance, role) (gridpress_kv_used_ratio)", "{{instance}} {{role}}")],
        unit="percentunit",
        highest=1,
        limits=[(0.95, "orange")],
    ),
    Panel(
        "Device memory",
        "GPU memory. A worker without CUDA reports none.",
        [
            Query(
                "max by (stage, kind, instance, role) (gridpress_device_memory_bytes)",
                "{{stage}} {{kind}} {{instance}} {{role}}",
            )
        ],
        unit="bytes",
    ),
    Panel(
        "Outcomes that wait to be stored",
        "Finished outcomes that wait to be stored, by worker. At 16 (GRIDPRESS_RESULT_BUFFER) the device stops.",
        [Query("max by (stage, instance, role) (gridpress_record_buffer)", "{{stage}} {{instance}} {{role}}")],
        limits=[(16, "red")],
    ),
    Panel(
        "Model load time",
        "Time from the start of the worker until its model is loaded and its device is ready.",
        [Query("max by (stage, instance, role) (gridpress_model_load_seconds)", "{{stage}} {{instance}} {{role}}")],
        unit="s",
    ),
    Row("Speed and outcomes"),
    Panel(
        "Renders a minute",
        "Attempts on renders that ended, by outcome.",
        [
            Query(
                "60 * sum by (stage, outcome) (rate(gridpress_renders_total[$__rate_interval]))",
                "{{stage}} {{outcome}}",
            )
        ],
    ),
    Panel(
        "Time of a render",
        "Time from the claim of a render until its outcome is stored.",
        quantiles("gridpress_render_seconds", (0.5, 0.95), "stage"),
        unit="s",
    ),
    Panel(
        "Time of an engine step",
        "Time of an engine step, which computes one decode or denoise step of every render in it.",
        quantiles("gridpress_engine_step_seconds", (0.5, 0.95), "stage"),
        unit="s",
    ),
    Panel(
        "Leases",
        "Leases that workers lost, and renders that upkeep recovered, an hour.",
        [
            Query("3600 * sum by (stage) (rate(gridpress_leases_lost_total[$__rate_interval]))", "{{stage}} lost"),
            Query("3600 * sum(rate(gridpress_upkeep_rescued_total[$__rate_interval]))", "rescued"),
        ],
    ),
    Panel(
        "Help without hints",
        "Renders found without a hint, and restarts of hint consumers, an hour. A few are normal. Many mean a broken "
        "broker.",
        [
            Query(
                "3600 * sum by (queue) (rate(gridpress_work_found_unasked_total[$__rate_interval]))", "{{queue}} found"
            ),
            Query(
                "3600 * sum by (queue) (rate(gridpress_consumer_restarts_total[$__rate_interval]))",
                "{{queue}} started anew",
            ),
        ],
    ),
    Panel(
        "Prompt enhancement",
        "Calls of the chat endpoint a minute, by outcome. Empty without GRIDPRESS_ENHANCE_BASE_URL.",
        [Query("60 * sum by (outcome) (rate(gridpress_enhancements_total[$__rate_interval]))", "{{outcome}}")],
    ),
]
