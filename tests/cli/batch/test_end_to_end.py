"""`gridpress batch run` against the whole service with the simulated engine: pictures, failures and a retry."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cli.demo.service import service
from cli.main import main
from tests.cli.batch.conftest import pictures, results, write_lines

SMALL = ("--size", "256x256", "--steps", "4", "--seed", "100")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with service(tmp_path_factory.mktemp("service"), "simulate:ar=0,dit=0") as address:
        yield address


def batch(url: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["batch", *map(str, arguments), "--url", url])


def test_a_file_of_prompts_becomes_a_folder_of_pictures(url: str, tmp_path: Path) -> None:
    prompts, out = tmp_path / "p.csv", tmp_path / "out"
    prompts.write_text("custom_id,prompt,n\nfox,a fox,\npair,two foxes,2\n../owl,an owl,\n")
    done = batch(url, "run", prompts, "--out", out, *SMALL)
    assert done.exit_code == 0, done.output
    assert len(pictures(out)) == 4
    assert [one["seed"] for one in results(out)] == [100, 101, 102, 102]
    with Image.open(out / "pair-1.png") as picture:
        assert picture.size == (256, 256)
    assert batch(url, "run", prompts, "--out", out, *SMALL).exit_code == 0


def test_lines_that_fail_are_listed_and_the_rest_is_drawn(url: str, tmp_path: Path) -> None:
    prompts, out = tmp_path / "p.jsonl", tmp_path / "out"
    lines = [{"prompt": "a fox"}, {"prompt": "an owl", "size": "1x1"}, {"prompt": "[simulate fail in dit]"}]
    write_lines(prompts, lines)
    done = batch(url, "run", prompts, "--out", out, *SMALL)
    assert done.exit_code == 1
    assert "2 of 3 lines failed" in done.stderr
    assert "line-00002 (line 2): size" in done.stderr
    assert pictures(out) == {"line-00001.png"}
    assert "size" in batch(url, "validate", prompts, *SMALL).stdout
    batch_id = json.loads((out / "batch.json").read_text())["batch_id"]
    assert batch_id in batch(url, "list").stdout
    assert "2 failed" in batch(url, "show", batch_id).stdout
