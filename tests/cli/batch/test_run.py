"""`gridpress batch run`: pictures and results on disk, whatever happens between."""

import errno
import json
import os
from pathlib import Path

import pytest

from cli.batch import retries as patience
from cli.batch.results.file import Results
from cli.batch.state import StateFile
from cli.evaluation.samples import samples
from tests.cli.batch.conftest import Batch, pictures, results, write_lines
from tests.cli.batch.service import StubService, picture, refusal, result_line

FOX_1 = f"GET /v1/batches/batch_1/pictures/job_{b'fox-1'.hex()}/0/h.png"
ALL = {"fox-0.png", "fox-1.png", "fox-2.png", "fox-3.png", "pair-0.png", "pair-1.png"}


def test_all_pictures_arrive_under_the_names_of_their_lines(
    service: StubService, batch: Batch, prompts: Path, out: Path
) -> None:
    result = batch("run", prompts, "--out", out)
    assert (result.exit_code, result.stdout) == (0, f"6 pictures in {out}\n")
    assert pictures(out) == ALL
    assert (out / "pair-1.png").read_bytes() == picture("pair", 1)
    assert not [path for path in out.iterdir() if path.name.endswith(".part")]


def test_results_tell_of_every_picture_in_the_order_of_the_lines(
    service: StubService, batch: Batch, prompts: Path, out: Path
) -> None:
    service.per_look = 5
    batch("run", prompts, "--out", out)
    assert [(one["custom_id"], one["index"], one["file"], one["prompt"], one["seed"]) for one in results(out)] == [
        *((f"fox-{number}", 0, f"fox-{number}.png", f"fox {number}", 7) for number in range(4)),
        ("pair", 0, "pair-0.png", "two foxes", 7),
        ("pair", 1, "pair-1.png", "two foxes", 8),
    ]
    assert {(one["status"], one["error"]) for one in results(out)} == {("succeeded", None)}
    assert all(one["sha256"] and one["job_id"] for one in results(out))


def test_native_lines_become_a_batch_of_jobs(service: StubService, batch: Batch, prompts: Path, out: Path) -> None:
    batch("run", prompts, "--out", out)
    assert service.created == [{"input_file_id": "file-1", "endpoint": "/v1/jobs", "completion_window": "24h"}]
    assert service.lines()[4] == {
        "custom_id": "pair", "method": "POST", "url": "/v1/jobs", "body": {"prompt": "two foxes", "n": 2}
    }  # fmt: skip


def test_lines_of_openais_form_are_sent_as_they_are(
    service: StubService, batch: Batch, tmp_path: Path, out: Path
) -> None:
    lines = [{"custom_id": "a", "method": "POST", "url": "/v1/images/generations", "body": {"prompt": "a fox"}}]
    write_lines(tmp_path / "batch.jsonl", lines)
    batch("run", tmp_path / "batch.jsonl", "--out", out)
    assert service.created[0]["endpoint"] == "/v1/images/generations"
    assert service.lines() == lines


def test_options_are_defaults_of_the_batch(service: StubService, batch: Batch, prompts: Path, out: Path) -> None:
    options = ("--size", "512x512", "--steps", 10, "--quality", "fast", "--seed", 0, "--priority", "batch", "--strict")
    batch("run", prompts, "--out", out, *options, "--deadline", "2026-01-05T09:30:00Z")
    defaults = {"size": "512x512", "num_inference_steps": 10, "quality": "fast", "seed": 0}
    expected = {"defaults": defaults, "priority": "batch", "strict": True, "deadline": "2026-01-05T09:30:00Z"}
    assert service.created[0].items() >= expected.items()


def test_a_batch_can_tell_its_end_and_go_some_time_later(
    service: StubService, batch: Batch, prompts: Path, out: Path
) -> None:
    options = ("--webhook-url", "https://a.example/hook", "--delete-after", "2d", "--output-prefix", "a/b", "--reuse")
    batch("run", prompts, "--out", out, *options)
    expected = {"webhook_url": "https://a.example/hook", "delete_after_s": 2 * 24 * 3600, "output_prefix": "a/b"}
    expected |= {"defaults": {"reuse": True}}
    assert service.created[0].items() >= expected.items()
    again = batch("run", prompts, "--out", out, "--delete-after", "2d")
    assert "webhook_url differed" in again.stderr


@pytest.mark.parametrize("time", ["2", "0h", "2w", "h", "-1d"])
def test_a_time_that_is_none_is_a_wrong_command_line(
    service: StubService, batch: Batch, prompts: Path, out: Path, time: str
) -> None:
    result = batch("run", prompts, "--out", out, "--delete-after", time)
    assert (result.exit_code, service.created) == (2, [])
    assert "such as 12h or 30d" in result.stderr


def test_running_a_finished_batch_again_asks_for_no_picture(
    service: StubService, batch: Batch, prompts: Path, out: Path
) -> None:
    batch("run", prompts, "--out", out)
    before = results(out)
    assert batch("run", prompts, "--out", out).exit_code == 0
    assert set(service.num_fetches().values()) == {1}
    assert (len(service.created), len(service.uploads)) == (1, 1)
    assert results(out) == before


def test_a_picture_that_was_deleted_is_fetched_again(
    service: StubService, batch: Batch, prompts: Path, out: Path
) -> None:
    batch("run", prompts, "--out", out)
    (out / "fox-2.png").unlink()
    batch("run", prompts, "--out", out)
    assert pictures(out) == ALL
    assert sum(service.num_fetches().values()) == len(ALL) + 1


def test_a_changed_file_is_refused_until_it_is_said_to_be_new(
    service: StubService, batch: Batch, prompts: Path, out: Path
) -> None:
    batch("run", prompts, "--out", out)
    write_lines(prompts, [{"custom_id": "owl", "prompt": "an owl"}])
    result = batch("run", prompts, "--out", out)
    assert result.exit_code == 1
    assert "batch_1" in result.stderr
    assert "the file of prompts has changed" in result.stderr
    assert "--new" in result.stderr
    assert len(service.created) == 1
    service.ended.clear()
    assert batch("run", prompts, "--out", out, "--new").exit_code == 0
    assert [one["custom_id"] for one in results(out)] == ["owl"]


def test_other_settings_are_another_batch(service: StubService, batch: Batch, prompts: Path, out: Path) -> None:
    batch("run", prompts, "--out", out)
    result = batch("run", prompts, "--out", out, "--size", "512x512")
    assert result.exit_code == 1
    assert "defaults" in result.stderr
    assert len(service.created) == 1


def test_lines_that_failed_are_listed_with_their_numbers(
    service: StubService, batch: Batch, prompts: Path, out: Path
) -> None:
    service.bad_ids = {"fox-2"}
    result = batch("run", prompts, "--out", out)
    assert result.exit_code == 1
    assert "1 of 5 lines failed" in result.stderr
    assert "fox-2 (line 3): size: must be a multiple of 32" in result.stderr
    assert pictures(out) == ALL - {"fox-2.png"}
    [bad] = [one for one in results(out) if one["error"]]
    assert (bad["custom_id"], bad["file"], bad["status"], bad["prompt"]) == ("fox-2", None, "failed", "fox 2")


def test_failed_lines_are_tried_again_on_request(service: StubService, batch: Batch, prompts: Path, out: Path) -> None:
    service.bad_ids = {"fox-2", "pair"}
    batch("run", prompts, "--out", out)
    result = batch("run", prompts, "--out", out, "--retry-failed")
    assert result.exit_code == 0, result.output
    assert pictures(out) == ALL
    assert [one["error"] for one in results(out)] == [None] * 6
    assert set(service.num_fetches().values()) == {1}
    assert len(service.created) == 1


def test_lines_that_stay_wrong_are_listed_after_all(
    service: StubService, batch: Batch, prompts: Path, out: Path
) -> None:
    service.bad_ids = {"fox-2"}
    batch("run", prompts, "--out", out)
    service.bad_ids = set()
    result = batch("run", prompts, "--out", out, "--retry-failed")
    assert result.exit_code == 1
    assert "there is nothing to try again" in result.stderr
    assert "fox-2 (line 3)" in result.stderr


def test_a_job_that_failed_in_part_keeps_its_pictures(
    service: StubService, batch: Batch, prompts: Path, out: Path
) -> None:
    def fail_one() -> None:
        for line in service.ended:
            if line["custom_id"] == "pair":
                line["response"]["status_code"] = 500
                line["response"]["body"]["images"][1] |= {
                    "status": "failed", "url": None, "sha256": None, "error": {"message": "out of memory"}
                }  # fmt: skip

    service.before["GET /v1/batches/batch_1/results"] = fail_one
    result = batch("run", prompts, "--out", out)
    assert "pair (line 5): out of memory" in result.stderr
    assert pictures(out) == ALL - {"pair-1.png"}
    told = [(one["index"], one["file"], one["status"], one["error"]) for one in results(out)][-2:]
    assert told == [(0, "pair-0.png", "succeeded", None), (1, None, "failed", "out of memory")]


def test_lines_of_the_images_api_are_fetched_too(service: StubService, batch: Batch, prompts: Path, out: Path) -> None:
    def as_images() -> None:
        for line in service.ended:
            job = line["response"]["body"]
            if "images" in job:
                line["response"]["body"] = {"created": 1, "output_format": "webp", "data": job["images"]}

    service.before["GET /v1/batches/batch_1/results"] = as_images
    assert batch("run", prompts, "--out", out).exit_code == 0
    assert pictures(out) == {name.replace(".png", ".webp") for name in ALL}
    assert [one["seed"] for one in results(out)][-2:] == [7, 8]


def test_a_line_that_expired_says_so(service: StubService, batch: Batch, prompts: Path, out: Path) -> None:
    error = {"code": "batch_expired", "message": "the batch expired before this line ran"}

    def expire() -> None:
        if len(service.ended) == 2:
            service.ended += [result_line(line["custom_id"], None, None, error) for line in service.waiting]
            service.batch["status"] = "expired"

    service.before["GET /v1/batches/batch_1/results"] = expire
    result = batch("run", prompts, "--out", out)
    assert "batch_1 expired: 3 of 5 lines failed" in result.stderr
    assert [one["status"] for one in results(out)] == ["succeeded"] * 2 + ["expired"] * 3
    assert "pair (line 5): the batch expired before this line ran" in result.stderr


def test_a_refused_file_is_told_by_its_own_lines_and_may_be_mended(
    service: StubService, batch: Batch, tmp_path: Path, out: Path
) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('\n{"prompt": "a"}\n\n{"prompt": "b", "size": "1x1"}\n')
    service.refusal = [{"code": "invalid", "message": "is too small", "param": "body.size", "line": 2}]
    result = batch("run", prompts, "--out", out, "--strict")
    assert result.exit_code == 1
    assert "line 4: body.size: is too small" in result.stderr
    service.refusal = []
    prompts.write_text('{"prompt": "a"}\n')
    assert batch("run", prompts, "--out", out).exit_code == 0


def test_a_damaged_download_is_tried_again(service: StubService, batch: Batch, prompts: Path, out: Path) -> None:
    damaged = iter([(200, {}, b"half a pic")])
    route = FOX_1
    service.before[route] = lambda: next(damaged, None)
    assert batch("run", prompts, "--out", out).exit_code == 0
    assert (out / "fox-1.png").read_bytes() == picture("fox-1", 0)


@pytest.mark.parametrize("answer", [(200, {}, b"never what was made"), refusal(404, "no such picture")])
def test_a_picture_that_cannot_be_had_is_told_and_tried_by_the_next_run(
    service: StubService, batch: Batch, prompts: Path, out: Path, answer: tuple[int, dict[str, str], bytes]
) -> None:
    route = FOX_1
    service.before[route] = lambda: answer
    result = batch("run", prompts, "--out", out)
    assert result.exit_code == 1
    assert "fox-1 (line 2)" in result.stderr
    assert pictures(out) == ALL - {"fox-1.png"}
    del service.before[route]
    assert batch("run", prompts, "--out", out).exit_code == 0
    assert pictures(out) == ALL


def test_a_service_that_restarts_is_waited_for(service: StubService, batch: Batch, prompts: Path, out: Path) -> None:
    for route in (
        "GET /v1/batches/batch_1",
        "GET /v1/batches/batch_1/results",
        FOX_1,
    ):
        outage = iter([(502, {}, b"")] * 3)
        service.before[route] = lambda outage=outage: next(outage, None)  # type: ignore[misc]
    assert batch("run", prompts, "--out", out).exit_code == 0


def test_a_service_that_asks_for_patience_gets_it(service: StubService, batch: Batch, prompts: Path, out: Path) -> None:
    limited = iter([(429, {"retry-after": "0"}, b"")] * 5)
    service.before[FOX_1] = lambda: next(limited, None)
    assert batch("run", prompts, "--out", out).exit_code == 0
    assert next(limited, None) is None


def test_a_service_that_stays_away_is_exit_status_3_and_the_same_command_goes_on(
    service: StubService, batch: Batch, prompts: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_LIMIT_S", 0.0)
    service.before[FOX_1] = lambda: (500, {}, b"")
    assert batch("run", prompts, "--out", out).exit_code == 3
    del service.before[FOX_1]
    assert batch("run", prompts, "--out", out).exit_code == 0
    assert pictures(out) == ALL


def test_what_a_batch_never_drew_is_a_failure_of_its_lines(
    service: StubService, batch: Batch, prompts: Path, out: Path
) -> None:
    service.before["GET /v1/batches/batch_1"] = lambda: (
        None if not service.ended else service.batch.update(status="cancelled")
    )
    result = batch("run", prompts, "--out", out)
    assert result.exit_code == 1
    assert "batch_1 cancelled: 3 of 5 lines failed" in result.stderr
    assert "pair (line 5): never rendered" in result.stderr
    assert pictures(out) == {"fox-0.png", "fox-1.png"}


def test_an_evaluation_finds_its_samples(service: StubService, batch: Batch, prompts: Path, out: Path) -> None:
    batch("run", prompts, "--out", out)
    found = [(sample.name, sample.path.name, sample.prompt) for sample in samples(out)]
    assert found[-2:] == [("pair", "pair-0.png", "two foxes"), ("pair", "pair-1.png", "two foxes")]


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(
    service: StubService, batch: Batch, prompts: Path, out: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for owner, method in ((StateFile, "write"), (Path, "write_bytes"), (Results, "record")):
        with pytest.MonkeyPatch.context() as once:
            once.setattr(owner, method, full)
            result = batch("run", prompts, "--out", out)
        assert result.exit_code == 1
        assert "No space left on device" in result.stderr
        assert result.stderr.splitlines()[-1].startswith("gridpress: can't write")
    assert batch("run", prompts, "--out", out).exit_code == 0
    assert pictures(out) == ALL


def test_a_folder_that_cannot_be_written_is_one_line(batch: Batch, prompts: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = batch("run", prompts, "--out", tmp_path / "file" / "out")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_a_record_that_a_crash_cut_off_is_written_again(
    service: StubService, batch: Batch, prompts: Path, out: Path
) -> None:
    batch("run", prompts, "--out", out)
    whole = results(out)
    text = (out / "results.jsonl").read_bytes()
    (out / "results.jsonl").write_bytes(text[: text.rindex(b'"index": 1')])
    assert batch("run", prompts, "--out", out).exit_code == 0
    assert results(out) == whole
    assert set(service.num_fetches().values()) == {1}
    assert json.loads((out / "batch.json").read_text())["batch_id"] == "batch_1"


def test_a_prompt_with_a_line_separator_is_one_line_of_results(
    service: StubService, batch: Batch, tmp_path: Path, out: Path
) -> None:
    prompt = "a sign:\u2028open\x85late"
    write_lines(tmp_path / "p.jsonl", [{"prompt": prompt}])
    batch("run", tmp_path / "p.jsonl", "--out", out)
    assert [sample.prompt for sample in samples(out)] == [prompt]
