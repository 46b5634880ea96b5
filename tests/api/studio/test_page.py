"""The files of the studio: what is served, from where, and that all its words exist."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from api.services import Services
from api.studio import page
from tests.api.conftest import with_settings

FOLDER = Path(page.__file__).parent / "page"
SCRIPTS = sorted(FOLDER.rglob("*.js"))
NAMES = sorted(str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*") if file.is_file())
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_TOKEN = re.compile(r"(\w+):\s*(\{|\"\")|\}")


def words() -> set[str]:
    """The paths of all texts of the page, such as `make.send`; a text with plural forms counts as one."""
    tables = [file.read_text(encoding="utf-8") for file in sorted((FOLDER / "words").glob("*.js"))]
    body = "".join(text[text.index(" = {") + len(" = {") : text.index("\n};")] for text in tables)
    found, path = set[str](), list[str]()
    for name, kind in _TOKEN.findall(_STRING.sub('""', body)):
        if kind == "{":
            path.append(name)
        elif name:
            found.add(".".join([*path, name]))
            found.add(".".join(path))
        else:
            path.pop()
    return found


def test_the_page_is_served_to_anybody_and_takes_everything_from_here(house: Services) -> None:
    http = with_settings(house, host="0.0.0.0")
    answer = http.get("/studio")
    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    parts = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(parts) > 8
    for part in parts:
        assert "//" not in part
        assert http.get(f"/{part}").status_code == 200, part


def test_nothing_runs_and_nothing_is_styled_inline(http: FlaskClient) -> None:
    answer = http.get("/studio")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", answer.text)
    for file in SCRIPTS:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", file.read_text()
        ), file


def test_every_file_is_served_with_its_type_and_only_once(http: FlaskClient) -> None:
    kinds = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
    for name in NAMES:
        answer = http.get(f"/studio/{name}")
        if name == "index.html":
            assert answer.status_code == 404
            continue
        assert (answer.status_code, answer.content_type) == (200, kinds[Path(name).suffix]), name
        assert answer.data == (FOLDER / name).read_bytes()
        assert answer.headers["Cache-Control"] == "no-cache"
        again = http.get(f"/studio/{name}", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "name", ["", "x.js", "../session.py", "..%2fpage.py", "js", "js/x.js", "index.html", "js/../../session.py"]
)
def test_nothing_else_of_the_package_is_served(http: FlaskClient, name: str) -> None:
    assert http.get(f"/studio/{name}").status_code in (404, 308)


def test_a_slash_leads_back_to_the_page(http: FlaskClient) -> None:
    answer = http.get("/studio/")
    assert (answer.status_code, answer.headers["Location"]) == (308, "../studio")


def test_imports_lead_to_files_that_export_what_is_imported() -> None:
    for file in SCRIPTS:
        text = file.read_text(encoding="utf-8")
        for names, where in re.findall(r'import (?:\* as \w+|\{([^}]*)\}) from "([^"]+)"', text):
            target = (file.parent / where).resolve()
            exported = re.findall(
                r"export (?:async )?(?:function|const|class) (\w+)", target.read_text(encoding="utf-8")
            )
            assert {name.strip() for name in names.split(",") if name.strip()} <= set(exported), (file, where)


def test_the_page_announces_all_scripts_of_its_first_view_so_that_they_load_at_once() -> None:
    found, waiting = set[Path](), [FOLDER / "js" / "main.js", FOLDER / "make" / "view.js"]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            text = file.read_text(encoding="utf-8")
            imports = re.findall(r'^import (?:.* from )?"([^"]+)"', text, re.MULTILINE)
            waiting += [(file.parent / where).resolve() for where in imports]
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    announced = re.findall(r'rel="modulepreload" href="studio/([^"]+)"', page)
    assert sorted(announced) == sorted(str(file.relative_to(FOLDER)) for file in found if file.name != "main.js")


def test_every_word_of_the_page_is_in_the_table_and_every_entry_is_used() -> None:
    known = words()
    source = "\n".join(file.read_text(encoding="utf-8") for file in SCRIPTS if file.parent.name != "words")
    used = set(re.findall(r'[(\s?]t\(\s*"([\w.]+)"', source)) | set(re.findall(r'[?:] "((?:[a-z]\w*\.)+\w+)"', source))
    used |= set(re.findall(r'section\("([\w.]+)"', source))
    assert used - known == set()
    assert len(used) > 150


def test_the_files_are_part_of_an_installed_package() -> None:
    settings = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    assert '"api.studio" = ["page/**/*"]' in settings
