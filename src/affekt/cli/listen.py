"""``affekt listen``: emotions from the microphone, in the terminal."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from affekt._optional import require
from affekt.cli.stream import Job, check, follow, live_options
from affekt.cli.terminal import console, polite, shown
from affekt.errors import AudioError, InputError, MissingExtra

if TYPE_CHECKING:
    import numpy as np

#: Seconds in one call of the sound card, and how many seconds may wait when the machine is busy.
BLOCK, WAITING = 0.05, 10.0
#: Seconds without any sound after which a device counts as gone.
PATIENCE = 5.0
WITHOUT_PORTAUDIO = (
    "the microphone needs PortAudio, which is not installed ({error}). Debian and Ubuntu: "
    "apt install libportaudio2; Fedora: dnf install portaudio; macOS and Windows: pip install --force-reinstall "
    "sounddevice, which brings it. Without it, pipe the sound in: ffmpeg ... -f wav - | affekt stream -"
)


@click.command()
@click.option(
    "--device", metavar="NAME", help="Number or part of the name; see --list-devices. [default: the system's]"
)
@click.option("--list-devices", is_flag=True, help="List the input devices and exit.")
@live_options
@polite
def listen(device: str | None, list_devices: bool, **options: Any) -> int:
    """Emotions from the microphone while somebody speaks.

    Ctrl-C ends it with the summary. Nothing leaves this machine, and nothing
    is kept unless --record or --output ask for it. Listen only to people who
    know it and agree. Needs the extra live.
    """
    job = Job(**options)
    check(job)
    sounddevice = library()
    if list_devices:
        _show(inputs(sounddevice))
        return 0
    from affekt.speech.pipe import Arriving

    chosen = choose(inputs(sounddevice), device)
    said: list[str] = []
    with ExitStack() as stack:
        microphone = stack.enter_context(_opened(sounddevice, chosen))
        sound = Arriving(chosen["name"], microphone.sampling_rate, microphone.pieces(said))
        return follow(job, sound, sound.pieces, said=said, interrupted=0)


def library() -> Any:
    """The package sounddevice.

    Raises
    ------
    MissingExtra
        If it, or the library it needs, is not installed; says what to install.
    """
    try:
        return require("sounddevice", extra="live")
    except OSError as error:
        raise without_portaudio(error) from None


def without_portaudio(error: OSError) -> MissingExtra:
    """What to say when PortAudio is missing.

    Examples
    --------
    >>> "libportaudio2" in str(without_portaudio(OSError("PortAudio library not found")))
    True
    """
    return MissingExtra(WITHOUT_PORTAUDIO.format(error=str(error) or "the library cannot be loaded"))


def inputs(sounddevice: Any) -> list[dict[str, Any]]:
    """Devices that can be listened to; the system's choice has ``default`` true."""
    usual = sounddevice.default.device[0]
    return [
        {**device, "index": i, "default": i == usual}
        for i, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]


def choose(devices: list[dict[str, Any]], wanted: str | None) -> dict[str, Any]:
    """The device with a number or part of a name; by default the system's.

    Raises
    ------
    AudioError
        If there is none at all.
    InputError
        If none fits, or several do.

    Examples
    --------
    >>> choose([{"name": "USB Mic", "index": 3, "default": False}], "usb")["index"]
    3
    """
    if not devices:
        raise AudioError(
            "there is no microphone. Plug one in, or let the system use it (permissions, PulseAudio or PipeWire); "
            "or pipe the sound in: ffmpeg ... -f wav - | affekt stream -"
        )
    if wanted is None:
        return next((device for device in devices if device["default"]), devices[0])
    names = ", ".join(f"{device['index']} {device['name']}" for device in devices)
    fitting = [d for d in devices if wanted == str(d["index"]) or wanted.lower() == d["name"].lower()]
    fitting = fitting or [d for d in devices if wanted.lower() in d["name"].lower()]
    if len(fitting) != 1:
        raise InputError(f"--device {wanted}: {'several' if fitting else 'none'} of these fit: {names}.")
    return fitting[0]


@dataclass
class Microphone:
    """An open device: what its callback puts in a queue comes out as pieces.

    Parameters
    ----------
    sampling_rate, channels : int
    waiting : Queue
        Bounded. When it is full, the newest sound is lost, because the sound card does not wait.
    """

    sampling_rate: int
    channels: int
    waiting: queue.Queue[Any] = field(default_factory=lambda: queue.Queue(round(WAITING / BLOCK)))
    lost: int = 0
    overruns: int = 0
    alive: Callable[[], bool] = lambda: True

    def take(self, block: Any, frames: int, times: Any, status: Any) -> None:
        """Called by the sound card with samples (n, channels): never waits."""
        self.overruns += bool(status and status.input_overflow)
        try:
            self.waiting.put_nowait(block.copy())
        except queue.Full:
            self.lost += frames

    def pieces(self, said: list[str]) -> Iterator[np.ndarray]:
        """Mono pieces (n,) as they come; what was lost is said.

        Raises
        ------
        AudioError
            If the device has gone.
        """
        silent = 0.0
        try:
            while True:
                try:
                    block = self.waiting.get(timeout=0.5)
                except queue.Empty:
                    silent += 0.5
                    if silent >= PATIENCE or not self.alive():
                        raise AudioError("the microphone gives no more sound; was it unplugged?") from None
                    continue
                silent = 0.0
                yield block.mean(axis=1)
        finally:
            said += self.losses()

    def losses(self) -> list[str]:
        """What was lost, in words.

        Examples
        --------
        >>> Microphone(16000, 1, lost=8000).losses()
        ['0.5 s of sound were lost because this machine was too busy; times after that are too early.']
        """
        words = []
        if self.lost:
            seconds = self.lost / self.sampling_rate
            words.append(
                f"{seconds:.1f} s of sound were lost because this machine was too busy; times after that are too early."
            )
        if self.overruns:
            words.append(f"the sound card overran {self.overruns} times; a little sound was lost each time.")
        return words


@contextmanager
def _opened(sounddevice: Any, device: dict[str, Any]) -> Iterator[Microphone]:
    try:
        rate, channels = _form(sounddevice, device)
        microphone = Microphone(rate, channels)
        stream = sounddevice.InputStream(
            samplerate=rate,
            blocksize=round(BLOCK * rate),
            device=device["index"],
            channels=channels,
            dtype="float32",
            callback=microphone.take,
        )
        microphone.alive = lambda: stream.active
        stream.start()
    except sounddevice.PortAudioError as error:
        raise AudioError(
            f"{device['name']}: cannot be opened ({error.args[0]}). Does another program use it?"
        ) from None
    try:
        yield microphone
    finally:
        stream.close(ignore_errors=True)


def _form(sounddevice: Any, device: dict[str, Any]) -> tuple[int, int]:
    """Sampling rate and channels: what the model wants, or else what the device has."""
    usual = int(device["default_samplerate"])
    for rate, channels in ((16_000, 1), (usual, 1)):
        try:
            sounddevice.check_input_settings(device["index"], channels, "float32", samplerate=rate)
        except (sounddevice.PortAudioError, ValueError):
            continue
        return rate, channels
    return usual, device["max_input_channels"]


def _show(devices: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("number", "name", "channels", "usual rate / Hz", "", box=None, pad_edge=False)
    for device in devices:
        table.add_row(
            str(device["index"]),
            Text(shown(device["name"])),
            str(device["max_input_channels"]),
            f"{device['default_samplerate']:.0f}",
            "default" if device["default"] else "",
        )
    console().print(table)
    if not devices:
        click.echo("no microphone was found.", err=True)
