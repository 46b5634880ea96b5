"""Formats the verdicts as a table for the terminal, as Markdown for the docs and as JSON. Judges nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

from rich.table import Table

from benchmarks.demo_model.rendering import TIERS
from benchmarks.demo_model.shares import Pair, Share, pair_of, share_of
from benchmarks.demo_model.verdicts import Row, Verdict

BEGIN, END = "<!-- make eval-demo: begin -->", "<!-- make eval-demo: end -->"
_MOST_LOST = 0.02  # by a quality that saves time, beside exact
_TIERS = tuple(setting.name for setting in TIERS)
_HEAD = ("figure", "drawings", "exact", "95 % interval", "goal", "pictures", *_TIERS)

Judged = Mapping[str, Mapping[str, Sequence[Verdict]]]  # by setting, then by kind


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table. The share of a setting that was not judged is None.

    `tiers` has the share of each judged quality beside exact, and `pairs` its comparison with exact.
    """

    row: Row
    drawn: Share
    exact: Share | None
    tiers: Mapping[str, Share]
    pairs: Mapping[str, Pair]

    @property
    def is_met(self) -> bool:
        return self.exact is not None and self.exact.share >= self.row.goal


def lines_of(rows: Sequence[Row], judged: Judged) -> list[Line]:
    """Returns a line for each row of the table."""
    return [_line(row, {setting: _right(kinds, row) for setting, kinds in judged.items()}) for row in rows]


def _right(kinds: Mapping[str, Sequence[Verdict]], row: Row) -> list[bool]:
    return [verdict[row.name] == 1 for verdict in kinds.get(row.kind, ())]


def _line(row: Row, right: Mapping[str, list[bool]]) -> Line:
    shares = {setting: share_of(values) for setting, values in right.items() if values}
    exact = right.get("exact")
    tiers = {name: shares[name] for name in _TIERS if name in shares}
    pairs = {name: pair_of(exact, right[name]) for name in tiers} if exact else {}
    return Line(row, shares["drawn"], shares.get("exact"), tiers, pairs)


def notes_of(judged: Judged) -> list[str]:
    """Returns sentences about figures without a row: the edit distance, the effect of guidance and of text checks."""
    texts = {setting: kinds["text"] for setting, kinds in judged.items() if kinds.get("text")}
    notes = [
        f"Normalised edit distance of words, {setting}: {mean(verdict['edit_distance'] for verdict in verdicts):.3f}."
        for setting, verdicts in texts.items()
    ]
    if "exact" in texts and "guidance-1.0" in texts:
        without, guided = ([verdict["text"] == 1 for verdict in texts[name]] for name in ("guidance-1.0", "exact"))
        pair = pair_of(without, guided)
        verb = "beats" if pair.gain > 0 else "does not beat"
        notes.append(
            f"Guidance 1.5 {verb} 1.0 on words: {sum(guided)} and {sum(without)} of {len(guided)} are read back; "
            f"{pair.only_second} with guidance alone, {pair.only_first} without it alone "
            f"(McNemar's exact p = {pair.p:.2g})."
        )
    if "exact" in texts and "redraws-3" in texts:
        without, redrawn = ([verdict["text"] == 1 for verdict in texts[name]] for name in ("exact", "redraws-3"))
        pair = pair_of(without, redrawn)
        notes.append(
            f"Text checks: {share_of(redrawn).share:.1%} of words are read back with up to 3 redraws, and "
            f"{share_of(without).share:.1%} without; {pair.only_second} with redraws alone, {pair.only_first} without "
            f"them alone (McNemar's exact p = {pair.p:.2g})."
        )
    return notes


def table_of(lines: Sequence[Line]) -> Table:
    table = Table(*_HEAD)
    for line in lines:
        style = None if line.exact is None else "green" if line.is_met else "red"
        table.add_row(*_cells(line), style=style)
    return table


def markdown_of(lines: Sequence[Line], notes: Sequence[str]) -> str:
    """Returns the table and the notes as Markdown for the docs."""
    rows = [_HEAD, ("---",) * len(_HEAD), *map(_cells, lines)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    return "\n\n".join([table, "\n".join(f"- {note}" for note in notes)]).strip()


def _cells(line: Line) -> tuple[str, ...]:
    exact = line.exact
    return (
        line.row.says,
        f"{line.drawn.share:.1%}",
        f"{exact.share:.1%}" if exact else "",
        f"{exact.low:.1%} to {exact.high:.1%}" if exact else "",
        f"{line.row.goal:.0%}, {'met' if line.is_met else 'missed'}" if exact else f"{line.row.goal:.0%}",
        str(line.drawn.number),
        *(_tier_cell(line.tiers.get(name), line.pairs.get(name)) for name in _TIERS),
    )


def _tier_cell(share: Share | None, pair: Pair | None) -> str:
    """Returns the share of a quality, and the points that it gains beside exact."""
    if share is None:
        return ""
    return f"{share.share:.1%}" + (f": {100 * pair.gain:+.1f}, {_verdict(pair)} (p = {pair.p:.2g})" if pair else "")


def _verdict(pair: Pair) -> str:
    return "met" if pair.gain >= -_MOST_LOST - 1e-9 else "missed"


def json_of(lines: Sequence[Line], notes: Sequence[str]) -> Mapping[str, object]:
    return {"rows": [asdict(line) | {"is_met": line.is_met} for line in lines], "notes": list(notes)}


def scores_of(lines: Sequence[Line]) -> list[Mapping[str, object]]:
    """Returns the figures of the model card in the form that `workers.checkpoint.demo.card` reads."""
    return [{"figure": line.row.says, "at_least": line.row.goal, **asdict(line.exact)} for line in lines if line.exact]


def write_docs(page: Path, section: str) -> None:
    """Writes the section between the page's two marks, or at its end if the page has no marks."""
    text = page.read_text(encoding="utf-8")
    new = f"{BEGIN}\n\n{section}\n\n{END}"
    if BEGIN in text:
        before, _, rest = text.partition(BEGIN)
        text = before + new + rest.partition(END)[2]
    else:
        text = f"{text.rstrip()}\n\n{new}\n"
    page.write_text(text, encoding="utf-8")
