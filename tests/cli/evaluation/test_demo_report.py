"""Shares, pairs, kept pictures and the table of `make eval-demo`. Renders nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from benchmarks.demo_model import rendering
from benchmarks.demo_model.__main__ import main
from benchmarks.demo_model.cases import cases_of
from benchmarks.demo_model.rendering import EXACT, TIERS, draw_missing, render, wanted_of
from benchmarks.demo_model.report import BEGIN, END, lines_of, markdown_of, notes_of, scores_of, write_docs
from benchmarks.demo_model.shares import pair_of, share_of
from benchmarks.demo_model.sheet import write_sheet
from benchmarks.demo_model.verdicts import ROWS, verdicts_on
from cli.errors import Failure


class DrawnService:
    """Answers as the API does, with pictures drawn by code. Jobs with a seed in `failing` fail."""

    def __init__(self, failing: frozenset[int] = frozenset()) -> None:
        self.requests: list[dict[str, Any]] = []
        self._failing = failing

    def submit(self, fields: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(fields)
        return {"id": f"job-{len(self.requests) - 1}"}

    def job(self, job_id: str) -> dict[str, Any]:
        failed = self._request(job_id)["seed"] in self._failing
        return (
            {"id": job_id, "status": "failed", "error": {"message": "no"}}
            if failed
            else {"id": job_id, "status": "succeeded"}
        )

    def download(self, job_id: str, _: int, path: Path) -> None:
        case = next(case for case in cases_of("scene", 20) if case.prompt == self._request(job_id)["prompt"])
        path.write_bytes(rendering._png(case.scene))

    def _request(self, job_id: str) -> dict[str, Any]:
        return self.requests[int(job_id.removeprefix("job-"))]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_POLL_S", 0)


def rendered(out: Path, service: DrawnService) -> None:
    render(service, wanted_of(out, EXACT, cases_of("scene", 20)), Console(quiet=True))  # type: ignore[arg-type]


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I.
    share = share_of([True] * 81 + [False] * 182)
    assert (share.low, share.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    share = share_of([False] * 20)
    assert (share.low, share.high) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_a_pair_counts_where_only_one_side_is_right() -> None:
    pair = pair_of([True] * 7 + [False] * 3, [True] * 6 + [False] * 2 + [True] * 2)
    assert (pair.only_first, pair.only_second) == (1, 2)
    assert pair.gain == pytest.approx(0.1)
    assert pair.p == 1.0
    assert pair_of([False] * 6, [True] * 6).p == pytest.approx(2 / 2**6)  # six heads in a row, two-sided
    with pytest.raises(ValueError, match="no pairs"):
        pair_of([True], [])


def test_a_second_run_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    first, second = DrawnService(failing=frozenset({3, 17})), DrawnService()
    with pytest.raises(Failure, match="2 pictures failed"):
        rendered(tmp_path, first)
    assert len(first.requests) == 20
    rendered(tmp_path, second)
    assert [request["seed"] for request in second.requests] == [3, 17]
    assert wanted_of(tmp_path, EXACT, cases_of("scene", 20)) == []


def test_settings_differ_in_one_field_alone() -> None:
    [case] = cases_of("edit", 1)
    exact = rendering.request_of(case, EXACT)
    for tier in TIERS:
        assert {**exact, "quality": tier.name} == rendering.request_of(case, tier)
    assert all(image.startswith("data:image/png;base64,") for image in exact["images"])


def test_a_verdict_is_kept_until_its_picture_is_drawn_anew(tmp_path: Path) -> None:
    cases = cases_of("scene", 2)
    draw_missing(tmp_path, cases)
    folder = tmp_path / "drawn"
    assert [verdict["shape"] for verdict in verdicts_on(folder, cases)] == [1, 1]
    kept = folder / f"{cases[0].name}.json"
    kept.write_text(json.dumps({"prompt": cases[0].prompt, "verdict": {"shape": 0.5}}))
    assert verdicts_on(folder, cases)[0]["shape"] == 0.5
    kept.write_text(json.dumps({"prompt": "another", "verdict": {"shape": 0.5}}))
    assert verdicts_on(folder, cases)[0]["shape"] == 1


def judged() -> dict[str, dict[str, list[dict[str, float]]]]:
    def words(num: int) -> list[dict[str, float]]:
        return [{"text": float(number < num), "edit_distance": 0.25} for number in range(100)]

    return {
        "drawn": {"text": words(100)},
        "exact": {"text": words(75)},
        "fast": {"text": words(72)},
        "few_steps": {"text": words(74)},
        "guidance-1.0": {"text": words(60)},
    }


def test_the_table_says_what_is_met_and_what_each_quality_loses() -> None:
    lines = lines_of([row for row in ROWS if row.name == "text"], judged())
    text = markdown_of(lines, notes_of(judged()))
    assert (
        "| 75.0% | 65.7% to 82.5% | 70%, met | 100 |  | 72.0%: -3.0, missed (p = 0.25) | 74.0%: -1.0, met (p = 1) |"
        in text
    )
    assert "Guidance 1.5 beats 1.0 on words: 75 and 60 of 100 are read back; 15 with guidance alone" in text
    assert "edit distance of words, exact: 0.250" in text
    [score] = scores_of(lines)
    assert (score["at_least"], score["share"], score["number"]) == (0.7, 0.75, 100)


def test_the_docs_keep_what_is_around_the_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n")
    write_docs(page, "first")
    page.write_text(page.read_text() + "\nbelow\n")
    write_docs(page, "second")
    assert page.read_text() == f"# Title\n\n{BEGIN}\n\nsecond\n\n{END}\n\nbelow\n"


def test_the_sheet_is_small_and_shows_what_an_edit_was_given(tmp_path: Path) -> None:
    cases = [*cases_of("scene", 4), *cases_of("edit", 1)]
    draw_missing(tmp_path, cases)
    write_sheet(tmp_path / "sheet.png", tmp_path / "drawn", cases)
    assert 0 < (tmp_path / "sheet.png").stat().st_size < 400_000


def test_drawings_alone_are_judged_without_a_service(tmp_path: Path) -> None:
    arguments = ["--drawings", "--rows", "shape,edit", "--num", "3", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.count("100.0%") == 2


def test_a_folder_with_pictures_of_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("another")
    result = CliRunner().invoke(main, ["--url", "http://127.0.0.1:9", "--num", "1", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "has pictures of another" in result.output
    assert "--rows has colours" in CliRunner().invoke(main, ["--rows", "colours"]).output
