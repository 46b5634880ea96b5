"""DiT workers share a GPU only if each has a part of its memory."""

from pathlib import Path

import pytest

from shared.errors import Misconfigured
from workers.device.occupancy import Occupancy


@pytest.mark.parametrize("parts", [(False, False), (False, True), (True, False)])
def test_a_second_worker_is_refused_unless_both_have_parts(tmp_path: Path, parts: tuple[bool, bool]) -> None:
    first = Occupancy(tmp_path, "GPU-1", has_part=parts[0])
    with pytest.raises(Misconfigured, match=r"another DiT worker is on this GPU.*GRIDPRESS_DIT_MEMORY_BYTES"):
        Occupancy(tmp_path, "GPU-1", has_part=parts[1])
    del first
    assert Occupancy(tmp_path, "GPU-1", has_part=parts[1])


def test_workers_with_parts_and_workers_on_other_gpus_are_welcome(tmp_path: Path) -> None:
    held = [Occupancy(tmp_path, "GPU-1", has_part=True) for _ in range(3)]
    held += [Occupancy(tmp_path, f"GPU-{number}", has_part=False) for number in (2, 3)]
    assert len(held) == 5


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(Misconfigured, match=str(tmp_path / "run")):
        Occupancy(tmp_path / "run", "GPU-1", has_part=False)
