"""The two GPU stages: what waits, how full and how fast the workers are, what goes wrong."""

from deploy.observability.dashboards.panels import Panel, Query, Row, quantiles

CONTENT = [
    Row("What waits"),
    Panel(
        "Waiting and running",
        "Renders of the stage, of all callers.",
        [
            Query("max by (stage) (gridpress_stage_waiting)", "{{stage}} waiting"),
            Query("max by (stage) (gridpress_stage_running)", "{{stage}} running"),
        ],
    ),
    Panel(
        "Oldest wait",
        "Age of the render that waits longest.",
        [Query("max by (stage) (gridpress_oldest_wait_seconds)", "{{stage}}")],
        unit="s",
        limits=[(1800, "red")],
    ),
    Panel(
        "Backlog",
        "Time that the live workers need for what waits. Absent while no pace is known or no worker lives.",
        [Query("max by (stage) (gridpress_stage_backlog_seconds)", "{{stage}}")],
        unit="s",
        limits=[(600, "red")],
    ),
    Panel(
        "Stalled",
        "Work waits while slots have been free for long.",
        [Query("max by (stage) (gridpress_stage_stalled)", "{{stage}}")],
        is_stat=True,
        width=8,
        height=5,
        limits=[(1, "red")],
        words={"0": "no", "1": "stalled"},
    ),
    Panel(
        "Deaf workers",
        "Workers that live and ask for no work though they have room, by queue.",
        [Query("max by (queue) (gridpress_stage_deaf_workers)", "{{queue}}")],
        is_stat=True,
        width=8,
        height=5,
        limits=[(1, "red")],
    ),
    Panel(
        "Unserved renders",
        "Renders that wait for a model revision which no live worker serves.",
        [Query("max by (stage, revision) (gridpress_unserved_renders)", "{{stage}} {{revision}}")],
        is_stat=True,
        if_absent="none",
        width=8,
        height=5,
        limits=[(1, "red")],
    ),
    Row("Workers"),
    Panel(
        "Workers and slots",
        "That live, their slots, and the workers that the work asks for.",
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
        "Share that is booked. Near 100 % with free slots: the memory is too small for them.",
        [Query("max by (instance, role) (gridpress_kv_used_ratio)", "{{instance}} {{role}}")],
        unit="percentunit",
        highest=1,
        limits=[(0.95, "orange")],
    ),
    Panel(
        "Device memory",
        "GPU memory. A worker without CUDA shows none.",
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
        "By worker. At 16 (GRIDPRESS_RESULT_BUFFER) the device stops.",
        [Query("max by (stage, instance, role) (gridpress_record_buffer)", "{{stage}} {{instance}} {{role}}")],
        limits=[(16, "red")],
    ),
    Panel(
        "Model load time",
        "From the start of loading until the worker took its first work.",
        [Query("max by (stage, instance, role) (gridpress_model_load_seconds)", "{{stage}} {{instance}} {{role}}")],
        unit="s",
    ),
    Row("Speed and outcomes"),
    Panel(
        "Renders a minute",
        "Claims that ended, by outcome.",
        [
            Query(
                "60 * sum by (stage, outcome) (rate(gridpress_renders_total[$__rate_interval]))",
                "{{stage}} {{outcome}}",
            )
        ],
    ),
    Panel(
        "Time of a render",
        "From its claim until its outcome is recorded.",
        quantiles("gridpress_render_seconds", (0.5, 0.95), "stage"),
        unit="s",
    ),
    Panel(
        "Time of an engine step",
        "One step computes a decode or denoise step of every render in it.",
        quantiles("gridpress_engine_step_seconds", (0.5, 0.95), "stage"),
        unit="s",
    ),
    Panel(
        "Leases",
        "Lost by workers, and renders that upkeep took back, an hour.",
        [
            Query("3600 * sum by (stage) (rate(gridpress_leases_lost_total[$__rate_interval]))", "{{stage}} lost"),
            Query("3600 * sum(rate(gridpress_upkeep_rescued_total[$__rate_interval]))", "rescued"),
        ],
    ),
    Panel(
        "Help without hints",
        "Work found without a hint, and consumers that started anew, an hour. Rare is well, often is a broken broker.",
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
        "Calls a minute, by outcome. Nothing without GRIDPRESS_ENHANCE_BASE_URL.",
        [Query("60 * sum by (outcome) (rate(gridpress_enhancements_total[$__rate_interval]))", "{{outcome}}")],
    ),
]
