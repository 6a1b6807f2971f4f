"""What a server may do, and how much of it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from affekt.errors import InputError
from affekt.timeline.shares import FEW

#: The models of a server that is given none.
SHIPPED = ("voice", "face", "text", "fusion")

#: The length limits, for a request and for a job, of modalities that have their own.
LENGTHS = {
    "face": ("video_seconds", "video_job_seconds"),
    "fusion": ("video_seconds", "video_job_seconds"),
    "text": ("job_seconds", "job_seconds"),
}


@dataclass(frozen=True)
class Limits:
    """Limits beyond which the server refuses. Times in seconds.

    Parameters
    ----------
    upload_bytes : int
        Of one request, all its files together.
    files : int
        In one request.
    seconds, job_seconds : float
        Length of one recording, in a request and in a job.
    video_seconds, video_job_seconds : float
        The same for a video in which faces are detected, which takes ten times the work.
    text_bytes : int
        Of one text, and of the captions of a video.
    sentences : int
        In a text with word weights: each word costs as much as a sentence.
    queue : int
        Requests with recordings at a time, including those still uploading or waiting.
    jobs, references : int
        Held at a time; with ``store`` by all processes together.
    kept : float
        How long a finished job and a reference are held.
    timeout : float
        For an upload, and for the work on a request; jobs may take longer.
    streams : int
        Live streams at a time, including those that may be resumed.
    stream_seconds : float
        Length of one stream.
    frame_bytes : int
        Of one message of a stream.
    picture_bytes, frame_pixels : int
        Of one frame of a live stream of pictures: of the jpeg, and of the decoded picture.
    backlog : float
        Signal that waits in a stream before the server stops reading.
    idle, stall, resume : float
        A stream may send nothing for ``idle``, leave events unread for
        ``stall``, and stay disconnected for ``resume``.
    connections : int
        At a time, whatever they are for.
    share : float
        How much of ``queue``, ``jobs``, ``references``, ``streams`` and ``connections`` one client (address) may
        have, 0 to 1.
    header : float
        For a request to arrive, for a body to begin, and for the first message of a stream.
    rate : float
        Minimum rate at which a body arrives and an answer is read, in bytes per second.
    convert_bytes : int
        Of results to be converted; an hour of speech is about one million.
    store_bytes : int
        Of all files in the folder of ``store``; beyond it nothing is kept, and jobs are refused.

    Raises
    ------
    InputError
        If one is not above zero.
    """

    upload_bytes: int = 200 << 20
    files: int = 32
    seconds: float = 1800.0
    job_seconds: float = 6 * 3600.0
    video_seconds: float = 600.0
    video_job_seconds: float = 2 * 3600.0
    text_bytes: int = 2 << 20
    sentences: int = 200
    queue: int = 32
    jobs: int = 32
    references: int = 32
    kept: float = 1800.0
    timeout: float = 300.0
    streams: int = 200
    stream_seconds: float = 4 * 3600.0
    frame_bytes: int = 64 << 10
    picture_bytes: int = 512 << 10
    frame_pixels: int = 1920 * 1088
    backlog: float = 4.0
    idle: float = 60.0
    stall: float = 10.0
    resume: float = 30.0
    connections: int = 600
    share: float = 0.5
    header: float = 10.0
    rate: float = 2048.0
    convert_bytes: int = 8 << 20
    store_bytes: int = 10 << 30

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value < math.inf:
                raise InputError(f"the limit {name} is {value}; allowed: above 0.")
        if self.share > 1:
            raise InputError(f"the limit share is {self.share}; allowed: above 0, at most 1.")

    def length(self, modality: str, *, job: bool = False) -> float:
        """Maximum length of a recording in seconds, for a model of a modality."""
        names = LENGTHS.get(modality, ("seconds", "job_seconds"))
        return float(getattr(self, names[job]))


def now() -> datetime:
    """The time of day, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Attendance:
    """Where attendance is kept.

    Parameters
    ----------
    store : str
        The path of an SQLite file, or a URL of PostgreSQL; made if there is none.
    key : Path
        The file of the key that faces are encrypted with.
    embedder : str
        ``dlib``, or an ``.onnx`` file whose card has the task ``identity``.
    clock : callable
        Aware datetime.
    """

    store: str
    key: Path
    embedder: str = "dlib"
    clock: Callable[[], datetime] = now


@dataclass(frozen=True)
class Settings:
    """How a server is set up.

    Parameters
    ----------
    models : mapping of str to str
        Name to what :func:`affekt.models.zoo.model_path` takes; the first is the default. Clients can name no others.
    token : str, optional
        The secret that clients have to give.
    origins : tuple of str
        Other web sites whose pages may use the server, such as ``https://example.org``.
    hosts : tuple of str
        Names that the server may be called by, besides addresses and ``localhost``; ``*`` is any.
    proxies : tuple of str
        Addresses of proxies whose ``X-Forwarded-For`` says who asks.
    store : Path, optional
        Folder where recordings and results are kept, jobs and voice references for a while; without it nothing is.
    threads : int
        For recordings, and as many again for streams; 0 is one per core.
    workers : int
        Processes.
    limits : Limits
    attendance : Attendance, optional
        With it the server keeps rosters and sessions, under ``/v1/attendance``; a token is needed then.

    Raises
    ------
    InputError
        If there is no model, attendance is kept without a token, or the token could not stand in a header.
    """

    models: Mapping[str, str] = field(default_factory=lambda: {name: name for name in SHIPPED})
    token: str | None = None
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    store: Path | None = None
    threads: int = 0
    workers: int = 1
    limits: Limits = field(default_factory=Limits)
    attendance: Attendance | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError("a server needs a model; leave --model out for those that ship with affekt.")
        if self.token is not None and not re.fullmatch(r"[A-Za-z0-9._~-]{8,}", self.token):
            raise InputError("the token must be 8 or more letters, digits and any of - . _ ~ (a long random word).")
        if self.attendance is not None and self.token is None:
            raise InputError("attendance is about people: the server needs a token (--token, or AFFEKT_TOKEN).")
        if self.store is not None and not self.store.is_dir():
            raise InputError(f"--store {self.store}: there is no such folder; make it first.")
        if self.threads < 0 or self.workers < 1:
            raise InputError(f"threads is {self.threads} and workers {self.workers}; allowed: 0 and 1 or more.")

    @property
    def default_model(self) -> str:
        """The model of those who name none."""
        return next(iter(self.models))

    @property
    def cores(self) -> int:
        """Threads of a pool."""
        return self.threads or available_cores()

    def as_table(self) -> dict[str, Any]:
        """What clients may know."""
        return {
            "token_required": self.token is not None,
            "store": self.store is not None,
            "attendance": self.attendance is not None,
            "workers": self.workers,
            "limits": asdict(self.limits),
            "notice": STORED if self.store else NOT_STORED,
            "few": FEW,
        }


_WHAT = (
    "affekt computes from the sound of a voice, the look of a face or written words how likely each emotion is; it is "
    "often wrong, and it must not be used to decide about people."
)
#: What people are told before the microphone or the camera opens.
NOT_STORED = (
    f"{_WHAT} Sound, pictures and words go to this server only, are worked on in memory, and are not stored or sent "
    "on. Uploads that are too large for memory lie in a nameless temporary file while they are worked on."
)
STORED = (
    f"{_WHAT} Whoever runs this server has chosen to STORE recordings and results, and for a while what makes up "
    "a voice reference; pictures of a camera are never stored. Nothing is sent on."
)


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
