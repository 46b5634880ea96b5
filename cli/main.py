"""Defines the `gridpress` command: collects the subcommands, and reports errors as one line and an exit status."""

import errno
from typing import Any

import click
from pydantic import ValidationError
from pydantic_settings import SettingsError

from cli.admin.command import admin
from cli.backup.command import backup, rebuild, restore
from cli.batch.command import batch
from cli.batch.files import files
from cli.checkpoint import checkpoint
from cli.completion import completion
from cli.demo.command import demo
from cli.doctor.command import doctor
from cli.errors import Failure, Unavailable
from cli.evaluation.command import evaluate
from cli.jobs.cancel import cancel
from cli.jobs.command import job, jobs
from cli.jobs.dead_letters import dead_letters
from cli.jobs.fetch import fetch, open_, watch
from cli.jobs.render import render
from cli.jobs.validate import validate
from cli.keys.command import keys
from cli.logs.command import logs
from cli.plan.command import plan_command
from cli.pull import pull
from cli.sections import write_sections
from cli.service.limits import limits
from cli.service.ps import ps
from cli.service.status import status
from cli.service.stop import stop
from cli.service.usage import usage
from cli.up.command import up
from cli.up.repair import repair
from cli.webhooks.command import webhooks
from shared.errors import GridpressError
from shared.settings.faults import faults_of
from shared.settings.unknown_variables import unreported_variables

_FOLDER_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_INSTALL = "pip install 'gridpress[api,workers,local]'"


class _Gridpress(click.Group):
    """The command group `gridpress`. Reports errors as one line and an exit status.

    These are Gridpress errors, invalid settings, full disks, missing packages, and all unexpected errors.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GridpressError as error:
            raise Unavailable(str(error)) from error
        except (ValidationError, SettingsError) as error:
            raise click.UsageError(faults_of(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of a pipe has ended, which click handles
                raise
            raise _file_failure(error) from error
        except ModuleNotFoundError as error:
            raise Unavailable(
                f"the package {error.name} is missing: {_INSTALL} installs what this command needs"
            ) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params.get("traceback"):
                raise
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise Failure(f"unexpected error: {what} (`gridpress --traceback ...` shows where it arose)") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_sections(self, ctx, formatter)


def _file_failure(error: OSError) -> Failure:
    if error.errno in _FOLDER_FAULTS:
        return Unavailable(f"{error.filename or 'a file'} can't be written: {error.strerror}")
    return Failure(f"{error.filename}: {error.strerror}" if error.filename else str(error))


@click.group(cls=_Gridpress, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gridpress", message="gridpress %(version)s")
@click.option("--traceback", is_flag=True, help="Show where an unexpected error arose.")
def main(traceback: bool) -> None:
    """Render pictures with GLM-Image: run the service on this machine, and send requests to a service.

    \b
    gridpress up                        start the service and keep it running
    gridpress render "a red star"       render one picture
    gridpress batch run FILE --out DIR  render all prompts of a file
    gridpress demo                      start a service, render examples and stop the service

    \b
    Exit status: 0 done; 1 a job failed or a request was refused; 2 wrong command line;
    3 the service cannot be reached or cannot start.
    """
    for each in unreported_variables():
        click.echo(f"gridpress: {each}", err=True)


for command in (
    up,
    status,
    ps,
    logs,
    stop,
    demo,
    render,
    validate,
    fetch,
    watch,
    open_,
    jobs,
    job,
    cancel,
    batch,
    files,
    dead_letters,
    keys,
    limits,
    usage,
    admin,
    pull,
    checkpoint,
    doctor,
    evaluate,
    plan_command,
    repair,
    backup,
    restore,
    rebuild,
    webhooks,
    completion,
):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="gridpress")
