"""One run of a batch: made unless it stands already, followed, fetched, and told of at the end."""

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.batch.client import BatchClient
from cli.batch.downloads import Downloads
from cli.batch.fetching import Fetcher
from cli.batch.follow import Follower
from cli.batch.lines import Lines
from cli.batch.progress import BatchBars
from cli.batch.results import RESULTS, Results
from cli.batch.state import State, StateFile
from cli.client import Json
from cli.errors import Failure, Unavailable
