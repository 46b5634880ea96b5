"""What happens after a picture: webhooks, dead letters, batches."""

from deploy.observability.dashboards.panels import Panel, Query, Row, quantiles

CONTENT = [
    Row("Webhooks"),
    Panel(
        "Due",
        "Webhooks whose time has come and that are not under way.",
        [Query("max(gridpress_deliveries_due)", "due")],
    ),
    Panel(
        "Oldest due",
        "How long the oldest of them has been due.",
        [Query("max(gridpress_delivery_oldest_due_seconds)", "age")],
        unit="s",
        limits=[(300, "red")],
    ),
    Panel(
        "Attempts under way",
        "By delivery process. It takes 1,024 at once unless GRIDPRESS_WEBHOOK_SLOTS says otherwise.",
        [Query("sum by (instance, role) (gridpress_webhook_slots_used)", "{{instance}} {{role}}")],
        limits=[(1024, "orange")],
    ),
    Panel(
        "Attempts a minute",
        "By outcome: retry comes again, failed was the last, cut_short made room for others.",
        [Query("60 * sum by (outcome) (rate(gridpress_webhook_attempts_total[$__rate_interval]))", "{{outcome}}")],
        is_stacked=True,
    ),
    Panel(
        "Failed attempts",
        "Share of attempts that failed. Above a half something other than one receiver is broken.",
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
        "What receivers take to respond.",
        quantiles("gridpress_webhook_attempt_seconds", (0.5, 0.95)),
        unit="s",
    ),
    Row("Dead letters and batches"),
    Panel(
        "Dead letters",
        "Renders that were given up because they killed their workers.",
        [Query("max(gridpress_dead_letters)", "dead letters")],
    ),
    Panel(
        "Open batches",
        "That have not ended.",
        [Query("max(gridpress_batches_open)", "open")],
    ),
    Panel(
        "Lines of batches a minute",
        "Submitted as jobs, refused, and results written.",
        [Query("60 * sum by (outcome) (rate(gridpress_batch_lines_total[$__rate_interval]))", "{{outcome}}")],
    ),
]
