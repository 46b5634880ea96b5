"""Judges pictures and stores each verdict beside its picture, so that a second run judges only new pictures."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from benchmarks.demo_model.cases import Case
from benchmarks.demo_model.judges import judge_edit, judge_scene
from benchmarks.demo_model.words import Reader
from cli.stack.roles import num_cores

Verdict = Mapping[str, float]  # 1 is right and 0 is wrong; shares and distances lie between


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the table: the field of a verdict that counts, and the kind of cases that has this field."""

    name: str
    says: str
    kind: str
    goal: float


ROWS: Sequence[Row] = (
    Row("shape", "shape and its colour right", "scene", 0.95),
    Row("background", "background colour right", "scene", 0.97),
    Row("place", "placed where asked", "scene", 0.9),
    Row("text", "quoted text read back, exact word", "text", 0.7),
    Row("edit", "edit changes what was asked and keeps the rest", "edit", 0.85),
)


def verdicts_on(folder: Path, cases: Sequence[Case], *, anew: bool = False) -> list[Verdict]:
    """Returns a verdict for each case, whose picture is `folder/<name>.png`. Raises `Unavailable` without Tesseract.

    With `anew` set, stored verdicts are ignored.
    """
    if anew:
        for case in cases:
            (folder / f"{case.name}.json").unlink(missing_ok=True)
    reader = Reader() if any(case.scene.word for case in cases) else None
    with ThreadPoolExecutor(num_cores()) as pool:
        return list(pool.map(lambda case: _stored_or_new(folder / f"{case.name}.png", case, reader), cases))


def _stored_or_new(picture: Path, case: Case, reader: Reader | None) -> Verdict:
    """Returns the stored verdict on a picture if it is for this prompt and newer than the picture.

    Otherwise judges the picture again.
    """
    file = picture.with_suffix(".json")
    if file.exists() and file.stat().st_mtime_ns >= picture.stat().st_mtime_ns:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["prompt"] == case.prompt:
            return dict(stored["verdict"])
    verdict = _judged(picture, case, reader)
    file.write_text(json.dumps({"prompt": case.prompt, "verdict": verdict}), encoding="utf-8")
    return verdict


def _judged(path: Path, case: Case, reader: Reader | None) -> Verdict:
    if case.scene.word:
        assert reader
        word = reader.judge(path, case.scene.word)
        return {"text": float(word.is_read), "edit_distance": word.edit_distance}
    with Image.open(path) as picture:
        if case.edit:
            edit = judge_edit(picture, case.edit)
            return {"edit": float(edit.is_right), "changed": edit.changed, "kept": edit.kept, "shapes": edit.shapes}
        scene = judge_scene(picture, case.scene)
        return {"shape": float(scene.shape), "background": float(scene.background), "place": float(scene.place)}
