"""Generators of clients and linters, which read `/openapi.json`. The generated clients are checked for their types, and
the one in Python submits a job, waits for it and fetches its picture.
"""

import json
import re
from pathlib import Path

from tests.clients.bench import Bench
from tests.clients.environments import CHECKOUT
from tests.clients.rows import Call, Calls, Row, expect

_PYTHON, _NODE = "generators", "node-generators"
_NO_NODE = "Node is not installed here"
_CONFIG = re.compile(r"(?m)^    content_type_overrides:\n(?: {6}.+\n)+")
_TSC = {
    "compilerOptions": {
        "strict": True,
        "noEmit": True,
        "target": "es2022",
        "module": "esnext",
        "moduleResolution": "bundler",
        "lib": ["es2022", "dom", "dom.iterable"],
        "types": [],
    }
}


def openapi_python_client(bench: Bench) -> Row:
    calls, package = Calls(), bench.folder / "generated_client"
    config = bench.folder / "generator.yaml"
    config.write_text(_config_of_the_guide())
    given = ("--path", str(_document(bench)), "--config", str(config), "--output-path", str(package))
    with calls.step("generate"):
        program = bench.environments.program(_PYTHON, "openapi-python-client")
        told = bench.run((program, "generate", *given, "--meta", "none", "--overwrite"))
        expect("warning" not in told.lower(), told[-300:])
    with calls.step("mypy --strict"):
        bench.run((bench.environments.program(_PYTHON, "mypy"), "--strict", str(package)))
    setting = "the `--config` in [http.md](http.md#generated-clients)"
    used = bench.python(
        "openapi-python-client",
        _PYTHON,
        "openapi-python-client",
        "generated_client.py",
        str(bench.folder),
        setting=setting,
    )
    return Row(used.client, used.version, [*calls.done, *used.calls], setting)


def openapi_typescript(bench: Bench) -> Row:
    command = ("openapi-typescript", "{document}", "-o", "{folder}/typescript/schema.d.ts")
    return _generated(bench, "openapi-typescript with openapi-fetch", "openapi-typescript", "typescript", command)


def hey_api(bench: Bench) -> Row:
    command = ("openapi-ts", "-i", "{document}", "-o", "{folder}/hey/client")
    return _generated(bench, "@hey-api/openapi-ts", "@hey-api/openapi-ts", "hey", command)


def redocly(bench: Bench) -> Row:
    return _linted(bench, "Redocly", "@redocly/cli", ("redocly", "lint", "{document}", "--format=json"))


def spectral(bench: Bench) -> Row:
    command = ("spectral", "lint", "{document}", "--ruleset", "{folder}/spectral.yaml", "--format=json", "-q")
    return _linted(bench, "Spectral, rules of OpenAPI", "@stoplight/spectral-cli", command)


def _generated(bench: Bench, client: str, package: str, name: str, command: tuple[str, ...]) -> Row:
    """Generates a client in TypeScript, and checks its types and those of a program that uses it."""
    version, folder = bench.environments.version(_NODE, package), bench.environments.node(_NODE)
    if folder is None:
        return Row(client, version, (Call("all", _NO_NODE, _NO_NODE),))
    calls, program = Calls(), folder / name
    program.mkdir(exist_ok=True)
    with calls.step("generate"):
        _run(bench, folder, command)
    with calls.step("tsc --strict"):
        (program / "use.ts").write_text((folder / f"{name}.ts").read_text())
        (program / "tsconfig.json").write_text(json.dumps({**_TSC, "files": ["use.ts"]}))
        _run(bench, folder, ("tsc", "-p", "{folder}/" + name))
    return Row(client, version, calls.done)


def _linted(bench: Bench, client: str, package: str, command: tuple[str, ...]) -> Row:
    """Runs a linter. An error and a warning are both failures."""
    version, folder = bench.environments.version(_NODE, package), bench.environments.node(_NODE)
    if folder is None:
        return Row(client, version, (Call("all", _NO_NODE, _NO_NODE),))
    (folder / "spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    calls = Calls()
    with calls.step("lint"):
        told = json.loads(_run(bench, folder, command) or "[]")
        problems = told if isinstance(told, list) else told["problems"]
        expect(not problems, f"{len(problems)} problems, first {problems[:1]}")
    return Row(client, version, calls.done)


def _run(bench: Bench, folder: Path, command: tuple[str, ...]) -> str:
    program, *arguments = (word.format(document=_document(bench), folder=folder) for word in command)
    return bench.run((str(folder / "node_modules/.bin" / program), *arguments))


def _document(bench: Bench) -> Path:
    """Returns the file with the OpenAPI document of the service."""
    path = bench.folder / "openapi.json"
    if not path.exists():
        with bench.http() as http:
            path.write_text(http.get("/openapi.json").raise_for_status().text)
    return path


def _config_of_the_guide() -> str:
    """Returns the configuration of openapi-python-client that `docs/http.md` tells users to have."""
    found = _CONFIG.search((CHECKOUT / "docs/http.md").read_text())
    assert found
    return found[0].replace("\n    ", "\n").removeprefix("    ")


CLIENTS = (openapi_python_client, openapi_typescript, hey_api, redocly, spectral)
