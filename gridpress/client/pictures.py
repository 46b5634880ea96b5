"""Holds finished pictures, and writes them to files."""

from dataclasses import dataclass, field
from pathlib import Path

from shared.responses.schemas import ImageResponse, JobResponse


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture: its file in `data`, and what made it. Sizes are in pixels."""

    data: bytes = field(repr=False)
    job_id: str
    index: int
    seed: int
    width: int
    height: int
    content_type: str

    @classmethod
    def of(cls, job: JobResponse, image: ImageResponse, data: bytes) -> "Picture":
        """Returns the picture of a job with this description and these bytes."""
        kind = image.content_type or job.output_format.content_type
        return cls(data, job.id, image.index, image.seed, image.width, image.height, kind)

    @property
    def suffix(self) -> str:
        """Returns the suffix of a file with this picture, such as `.png`."""
        return f".{self.content_type.rpartition('/')[2]}"

    def save(self, path: str | Path) -> Path:
        """Writes the file, and returns its path. A folder as `path` gets the file `JOB-INDEX.SUFFIX`."""
        target = Path(path)
        if target.is_dir():
            target /= f"{self.job_id}-{self.index}{self.suffix}"
        target.write_bytes(self.data)
        return target


def finished(job: JobResponse) -> list[ImageResponse]:
    """Returns the finished pictures of a job, in order."""
    return [image for image in job.images if image.url is not None]
