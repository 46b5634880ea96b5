"""Groups the commands of `gridpress` in its help by what a person wants to do."""

import click

SECTIONS = {
    "Pictures": ("render", "validate", "watch", "fetch", "open", "jobs", "job", "cancel", "batch", "files"),
    "A service on this machine": ("up", "status", "ps", "logs", "stop", "demo", "pull", "doctor", "repair"),
    "Backups": ("backup", "restore", "rebuild"),
    "Access, webhooks and faults": ("keys", "limits", "usage", "admin", "webhooks", "dead-letters"),
    "Planning and quality": ("plan", "eval", "checkpoint"),
    "This command": ("completion",),
}
_WIDTH = max(len(name) for names in SECTIONS.values() for name in names)


def write_sections(group: click.Group, context: click.Context, formatter: click.HelpFormatter) -> None:
    """Writes one list of commands for each section, with the first sentence of each command's help."""
    limit = formatter.width - 6 - _WIDTH
    for title, names in SECTIONS.items():
        commands = [(name, group.get_command(context, name)) for name in names]
        rows = [(name, command.get_short_help_str(limit)) for name, command in commands if command]
        with formatter.section(title):
            formatter.write_dl([(f"{name:<{_WIDTH}}", text) for name, text in rows])
