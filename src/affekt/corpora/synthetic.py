"""Synthetic: tones with known answers, so that everything can be tried without recordings.

Names: speaker_label_take, such as ``s01_angry_02``; an even speaker is female. A
label is a way to speak (pitch and its slope, loudness, syllables per second,
brightness), a speaker is a base pitch and a timbre, and the take is the sentence.

Trap: these are tones, not voices. A working pipeline scores near 1 on them, and at
chance with shuffled labels: a score here shows that the pipeline works, and says
nothing about emotion.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from affekt._files import atomic_write
from affekt.corpora import crema_d, ravdess, savee, tess
from affekt.corpora.corpus import Clip, Corpus
from affekt.errors import CorpusError, InputError, UnknownName
from affekt.types import Audio, Sample

SAMPLING_RATE = 16_000
PAUSE = 0.15  # seconds before and after
NOISE = 2e-4  # root mean square: no room is silent
HIGHEST = 7500.0  # hertz; a harmonic above it is left out
LABELS_FILE = "labels.csv"
# Formants: frequency and width in hertz.
FORMANTS = ((550.0, 120.0), (1500.0, 200.0), (2500.0, 300.0))
# Base pitch in hertz, from and to.
PITCHES = {"female": (175.0, 240.0), "male": (90.0, 140.0)}


@dataclass(frozen=True)
class Tone:
    """How a label sounds.

    Parameters
    ----------
    pitch : float
        Times the speaker's base pitch.
    slope : float
        Octaves from the start to the end.
    level : float
        dB of full scale (root mean square).
    rate : float
        Syllables per second.
    tilt : float
        How fast harmonics fall off: the amplitude of the k-th is k ** -tilt.
    """

    pitch: float
    slope: float
    level: float
    rate: float
    tilt: float


TONES = {
    "angry": Tone(1.25, -0.30, -20.0, 5.5, 0.6),
    "calm": Tone(0.85, 0.00, -38.0, 2.0, 1.8),
    "disgust": Tone(0.90, -0.70, -29.0, 2.5, 1.0),
    "fear": Tone(1.50, 0.30, -32.0, 6.5, 1.2),
    "happy": Tone(1.40, 0.50, -23.0, 4.5, 0.9),
    "neutral": Tone(1.00, 0.00, -29.0, 3.5, 1.3),
    "sad": Tone(0.90, -0.40, -41.0, 2.5, 1.7),
    "surprise": Tone(1.50, 1.00, -26.0, 3.5, 0.9),
}

#: Level of the tone that stands for the words, relative to the voice.
WORD = 0.1

NAME = re.compile(r"s(0[1-9]|[1-9]\d)_([a-z]+)_(0[1-9]|[1-9]\d)", re.ASCII)


def parse(path: PurePosixPath) -> Clip | None:
    """Read one name."""
    match = NAME.fullmatch(path.stem)
    if match is None or match[2] not in TONES:
        return None
    number, label, take = match.groups()
    return Clip(path.stem, label, f"s{number}", take, _sex_of(int(number)))


def _sex_of(number: int) -> str:
    return "male" if number % 2 else "female"


def synthetic_clips(
    *, speakers: int = 6, clips_per_label: int = 4, labels: Sequence[str] = tuple(TONES), seed: int = 0
) -> Iterator[tuple[Sample, Audio]]:
    """Tones with known answers, one at a time.

    A clip depends only on its name and the seed: asking for more speakers, labels or
    clips does not change the existing ones.

    Parameters
    ----------
    speakers : int
        1 to 99; the even ones are female.
    clips_per_label : int
        Of each speaker, 1 to 99.
    labels : sequence of str
        Keys of ``TONES``.
    seed : int
        0 or more; another seed gives other takes of other speakers.

    Yields
    ------
    Sample, Audio
        The path of the sample is a name only; about 2 s, 16 kHz.

    Raises
    ------
    UnknownName
        If there is no tone for a label.
    InputError
        If a number is out of range.

    Examples
    --------
    >>> sample, audio = next(synthetic_clips(labels=["angry", "sad"]))
    >>> sample.id, sample.label, sample.speaker, audio.sampling_rate
    ('synthetic/s01_angry_01', 'angry', 's01', 16000)
    """
    for take in _takes(_Plan("synthetic", speakers, clips_per_label, tuple(labels), seed)):
        sample = Sample(
            id=f"{CORPUS.name}/{PurePosixPath(take.path).stem}",
            path=take.path,
            label=take.label,
            speaker=take.speaker,
            corpus=CORPUS.name,
            sentence=f"{take.number + 1:02d}",
            sex=take.sex,
        )
        yield sample, Audio(_signal(take, seed), SAMPLING_RATE)


def write_synthetic(
    folder: str | os.PathLike[str],
    *,
    layout: str = "synthetic",
    speakers: int | None = None,
    clips_per_label: int = 4,
    labels: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[Path, ...]:
    """Write tones with known answers as a corpus: PCM16 wav files and labels.csv.

    ``read_corpus(layout, folder)`` reads them, and so does ``read_corpus("folder", folder)``.

    Parameters
    ----------
    folder : str or path
        New or empty.
    layout : str
        A key of ``LAYOUTS``: the corpus whose names and folders the clips get.
    speakers : int or None
        ``None``: six, or as many as the layout has.
    clips_per_label : int
        Of each speaker; RAVDESS has no more than 8, and 4 for neutral.
    labels : sequence of str or None
        ``None``: all that the layout has.
    seed : int
        As for :func:`synthetic_clips`.

    Returns
    -------
    tuple of Path
        The wav files, in the order they were written.

    Raises
    ------
    UnknownName
        If there is no such layout, or a label is not one of its labels.
    InputError
        If the layout does not have that many speakers or clips.
    CorpusError
        If the folder is not empty.
    """
    if layout not in LAYOUTS:
        raise UnknownName("layout", layout, LAYOUTS)
    people = LAYOUTS[layout].speakers
    count = min(6, len(people)) if speakers is None else speakers
    chosen = LAYOUTS[layout].corpus.labels if labels is None else labels
    takes = list(_takes(_Plan(layout, count, clips_per_label, tuple(chosen), seed)))
    target = _empty_folder(Path(folder).expanduser())
    paths = tuple(_written(target / take.path, _signal(take, seed)) for take in takes)
    rows = [[take.path, take.label, take.speaker, take.sex, f"{take.number + 1:02d}"] for take in takes]
    _write_rows(target / LABELS_FILE, ["path", "label", "speaker", "sex", "sentence"], rows)
    if layout == "crema_d":  # whose names do not tell the sex
        actors = [[actor, 20 + int(actor) % 50, people[actor].title()] for actor in list(people)[:count]]
        _write_rows(target / crema_d.DEMOGRAPHICS, ["ActorID", "Age", "Sex"], actors)
    return paths


def _empty_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise CorpusError(f"{folder} is not empty. Give a new folder: tones must not mix with recordings.")
    return folder


def _written(path: Path, signal: NDArray[np.float32]) -> Path:
    import soundfile  # most callers of this module only read names and never need it

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, signal, SAMPLING_RATE, subtype="PCM_16")
    return path


def _write_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


@dataclass(frozen=True)
class _Take:
    """One clip to make: ``person`` counts the speakers of the layout, ``number`` the clips of a label, both from 0."""

    path: str
    label: str
    speaker: str
    sex: str
    person: int
    number: int


@dataclass(frozen=True)
class _Plan:
    """What to make, checked on construction."""

    layout: str
    speakers: int
    clips_per_label: int
    labels: tuple[str, ...]
    seed: int

    def __post_init__(self) -> None:
        layout = LAYOUTS[self.layout]
        for label in self.labels:
            if label not in layout.corpus.labels:
                raise UnknownName("label", label, layout.corpus.labels)
        if not self.labels or len(set(self.labels)) < len(self.labels):
            raise InputError(f"labels are {list(self.labels)}; name at least one, and each once.")
        for what, given, most in (
            ("speakers", self.speakers, len(layout.speakers)),
            ("clips_per_label", self.clips_per_label, layout.takes),
        ):
            if not 1 <= given <= most:
                raise InputError(f"{what} is {given}; the layout {self.layout} allows 1 to {most}.")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; allowed: 0 and above.")


def _takes(plan: _Plan) -> Iterator[_Take]:
    layout = LAYOUTS[plan.layout]
    for person, (speaker, sex) in enumerate(list(layout.speakers.items())[: plan.speakers]):
        for label in plan.labels:
            for number in range(plan.clips_per_label):
                path = layout.path(speaker, label, number)
                if path:
                    yield _Take(path, label, speaker, sex, person, number)


def _signal(take: _Take, seed: int) -> NDArray[np.float32]:
    """The sound of a take, shape (n,): harmonics through a speaker's formants, in syllables."""
    tone, voice = TONES[take.label], np.random.default_rng([seed, take.person])
    base, mouth = voice.uniform(*PITCHES[take.sex]), voice.uniform(0.9, 1.1) * (1.1 if take.sex == "female" else 0.95)
    rng = np.random.default_rng([seed, take.person, list(TONES).index(take.label), take.number])
    time = np.arange(round(rng.uniform(1.5, 2.1) * SAMPLING_RATE)) / SAMPLING_RATE
    octaves = (tone.slope + rng.normal(0, 0.05)) * (time / time[-1] - 0.5) + rng.normal(0, 0.03)
    pitch = base * tone.pitch * 2**octaves * (1 + 0.01 * np.sin(2 * np.pi * 5 * time + rng.uniform(0, 6)))
    rate = tone.rate * rng.uniform(0.95, 1.05)
    voiced = _harmonics(pitch, tone.tilt, mouth) * (0.5 - 0.5 * np.cos(2 * np.pi * rate * time))
    level = 10 ** ((tone.level + rng.normal(0, 0.7)) / 20)
    # The words: a faint high tone for each number, so that the sentence can be recognised, too.
    voiced += WORD * np.sqrt(np.mean(voiced**2)) * np.sin(2 * np.pi * (4_000 + 250 * (take.number % 12)) * time)
    signal = np.pad(voiced * level / np.sqrt(np.mean(voiced**2)), round(PAUSE * SAMPLING_RATE))
    return (signal + rng.normal(0, NOISE, len(signal))).astype(np.float32)


def _harmonics(pitch: NDArray[np.float64], tilt: float, mouth: float) -> NDArray[np.float64]:
    """Sum of the harmonics of a pitch contour (n,) in hertz, coloured by formants."""
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLING_RATE
    signal = np.zeros_like(pitch)
    for k in range(1, int(HIGHEST / pitch.max()) + 1):
        frequency = k * pitch.mean()  # one colour for the whole contour: enough for a tone, and four times as fast
        colour = sum(1 / (1 + ((frequency - centre * mouth) / width) ** 2) for centre, width in FORMANTS)
        signal += k**-tilt * (0.1 + colour) * np.sin(k * phase)
    return signal


@dataclass(frozen=True)
class Layout:
    """How a corpus names its files.

    Parameters
    ----------
    corpus : Corpus
        The corpus that uses these names.
    speakers : mapping of str to str
        Speaker to sex; the first ones are taken.
    takes : int
        The most clips of one label and speaker.
    path : callable
        Takes speaker, label, number (from 0); returns a relative path, ``""`` where the corpus has no such clip.
    """

    corpus: Corpus
    speakers: Mapping[str, str]
    takes: int
    path: Callable[[str, str, int], str]


def _coded(table: Mapping[str, str], label: str) -> str:
    return next(code for code, name in table.items() if name == label)


def _synthetic_path(speaker: str, label: str, number: int) -> str:
    return f"{speaker}_{label}_{number + 1:02d}.wav"


def _ravdess_path(speaker: str, label: str, number: int) -> str:
    intensity, repetition, statement = number // 4 + 1, number // 2 % 2 + 1, number % 2 + 1
    if label == "neutral" and intensity > 1:
        return ""
    emotion = _coded(ravdess.EMOTIONS, label)
    return f"Actor_{speaker}/03-01-{emotion}-0{intensity}-0{statement}-0{repetition}-{speaker}.wav"


def _crema_d_path(speaker: str, label: str, number: int) -> str:
    return f"AudioWAV/{speaker}_{SENTENCES[number]}_{_coded(crema_d.EMOTIONS, label)}_XX.wav"


def _tess_path(speaker: str, label: str, number: int) -> str:
    return f"{speaker}_{label}/{speaker}_tone{chr(ord('a') + number)}_{_coded(tess.EMOTIONS, label)}.wav"


def _savee_path(speaker: str, label: str, number: int) -> str:
    return f"{speaker}/{_coded(savee.EMOTIONS, label)}{number + 1:02d}.wav"


SENTENCES = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")

# The first few are for training, dev and test in the committed split, so that a small corpus has all three.
RAVDESS_ORDER = (1, 24, 18, 2, 23, 17, *range(3, 17), *range(19, 23))

CORPUS = Corpus(
    name="synthetic",
    title="Synthetic tones",
    languages=(),
    licence="yours",
    home="affekt corpora synthetic FOLDER",
    clips=None,
    speakers=None,
    labels=tuple(TONES),
    example="s01_angry_02.wav",
    parse=parse,
)

LAYOUTS = {
    "synthetic": Layout(CORPUS, {f"s{n:02d}": _sex_of(n) for n in range(1, 100)}, 99, _synthetic_path),
    "crema_d": Layout(crema_d.CORPUS, {str(n): _sex_of(n) for n in range(1001, 1092)}, len(SENTENCES), _crema_d_path),
    "ravdess": Layout(ravdess.CORPUS, {f"{n:02d}": _sex_of(n) for n in RAVDESS_ORDER}, 8, _ravdess_path),
    "savee": Layout(savee.CORPUS, dict.fromkeys(("JE", "DC", "JK", "KL"), "male"), 15, _savee_path),
    "tess": Layout(tess.CORPUS, dict.fromkeys(("YAF", "OAF"), "female"), 26, _tess_path),
}
