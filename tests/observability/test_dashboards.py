"""Dashboards are what their descriptions say, and Grafana can lay them out and query them."""

import json
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from deploy.observability.dashboards.catalogue import as_files
from tests.observability.files import DASHBOARDS, FOLDER, panels

NAMES = [file.stem for file in DASHBOARDS]


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / "grafana" / "dashboards" / f"{name}.json").read_text())


def test_the_files_are_what_the_descriptions_make() -> None:
    made = {path.name: text for path, text in as_files().items()}
    assert {path.name: path.read_text() for path in DASHBOARDS} == made, "run python -m deploy.observability.dashboards"


def test_there_are_four_with_ids_of_their_own() -> None:
    assert len(NAMES) == 4
    assert len({read(name)["uid"] for name in NAMES}) == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_has_a_data_source_to_choose_and_a_range_of_time(name: str) -> None:
    found = read(name)
    assert [(each["name"], each["type"]) for each in found["templating"]["list"]] == [("datasource", "datasource")]
    assert found["time"]["to"] == "now"
    assert found["tags"] == ["gridpress"]


@pytest.mark.parametrize("name", NAMES)
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    found = read(name)["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in found)
    cells = [(panel["title"], _cells(panel["gridPos"])) for panel in found]
    for (one, its), (other, theirs) in combinations(cells, 2):
        assert not its & theirs, (one, other)


@pytest.mark.parametrize("name", NAMES)
def test_titles_of_a_dashboard_differ(name: str) -> None:
    titles = [panel["title"] for panel in read(name)["panels"]]
    assert len(set(titles)) == len(titles)


def test_every_panel_explains_itself_and_names_what_it_draws() -> None:
    for dashboard, panel in panels():
        where = (dashboard, panel["title"])
        assert panel["description"].endswith("."), where
        assert panel["fieldConfig"]["defaults"]["unit"], where
        assert panel["targets"], where
        assert all(target["expr"] and target["legendFormat"] for target in panel["targets"]), where
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]), where
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(source["uid"] == "${datasource}" for source in sources), where


def _cells(grid: Mapping[str, int]) -> set[tuple[int, int]]:
    return {(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])}


def test_the_provisioned_folder_is_the_one_that_compose_mounts() -> None:
    provider = (FOLDER / "grafana" / "provisioning" / "dashboards" / "gridpress.yaml").read_text()
    assert "/etc/grafana/dashboards" in provider
    assert Path(FOLDER / "grafana" / "dashboards").is_dir()
