"""Panels of the dashboard about webhooks, dead letters and batches."""

from deploy.observability.dashboards.panels import Panel, Query, Row, quantiles

CONTENT = [
    Row("Webhooks"),
    Panel(
        "Due",
        "Webhooks that are due and not being sent.",
        [Query("max(gridpress_deliveries_due)", "due")],
    ),
    Panel(
        "Oldest due",
        "Time that the oldest due webhook has been due.",
        [Query("max(gridpress_delivery_oldest_due_seconds)", "age")],
        unit="s",
        limits=[(300, "red")],
    ),
    Panel(
        "Attempts under way",
        "Webhook attempts in flight, by delivery process. The limit of a process is 1,024 unless "
        "GRIDPRESS_WEBHOOK_SLOTS sets another.",
        [Query("sum by (instance, role) (gridpress_webhook_slots_used)", "{{instance}} {{role}}")],
        limits=[(1024, "orange")],
    ),
    Panel(
        "Attempts a minute",
        "Webhook attempts a minute. retry: failed, will be repeated. failed: the last attempt failed. cut_short: "
        "stopped after a short timeout, repeated with the full timeout.",
        [Query("60 * sum by (outcome) (rate(gridpress_webhook_attempts_total[$__rate_interval]))", "{{outcome}}")],
        is_stacked=True,
    ),
    Panel(
        "Failed attempts",
        "Share of webhook attempts that failed. Above one half, the cause is usually more than a single receiver.",
        [
            Query(
                'sum(rate(gridpress_webhook_attempts_total{outcome=~"retry|failed"}[$__rate_interval])) / '
                'sum(rate(gridpress_webhook_attempts_total{outcome=~"retry|failed|delivered"}[$__rate_interval]))',
                "failed",
            )
        ],
        unit="percentunit",
        highest=1,
        limits=[(0.5, "red")],
    ),
    Panel(
        "Time of an attempt",
        "Time of a webhook attempt until the receiver has responded.",
        quantiles("gridpress_webhook_attempt_seconds", (0.5, 0.95)),
        unit="s",
    ),
    Row("Buckets of tenants"),
    Panel(
        "Buckets that refuse",
        "Tenants whose own bucket refused the last try, while copies or deletions wait.",
        [Query("max(gridpress_buckets_refusing)", "refusing")],
        limits=[(1, "orange")],
    ),
    Panel(
        "Copies into buckets a minute",
        "Tries to copy a job or batch into the bucket of its tenant. refused and later: will be repeated. failed and "
        "given_up: not made again.",
        [Query("60 * sum by (outcome) (rate(gridpress_bucket_copies_total[$__rate_interval]))", "{{outcome}}")],
        is_stacked=True,
    ),
    Panel(
        "Deletions of copies a minute",
        "Tries to delete the copy of a deleted job or batch. refused and later: will be repeated.",
        [Query("60 * sum by (outcome) (rate(gridpress_bucket_deletions_total[$__rate_interval]))", "{{outcome}}")],
        is_stacked=True,
    ),
    Row("Dead letters and batches"),
    Panel(
        "Dead letters",
        "Renders that failed because they crashed their workers.",
        [Query("max(gridpress_dead_letters)", "dead letters")],
    ),
    Panel(
        "Open batches",
        "Batches that have not ended.",
        [Query("max(gridpress_batches_open)", "open")],
    ),
    Panel(
        "Lines of batches a minute",
        "Lines of batches that were submitted as jobs, refused, or had their result stored.",
        [Query("60 * sum by (outcome) (rate(gridpress_batch_lines_total[$__rate_interval]))", "{{outcome}}")],
    ),
]
