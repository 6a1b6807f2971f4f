"""Speaker baselines for many recordings: who speaks in each, and how that speaker sounds in the others."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from affekt.corpora.table import read_table
from affekt.errors import AffektError, CorpusError, InputError, UnknownName
from affekt.metrics.slices import speaker_of
from affekt.recognize.recognizer import Recognizer
from affekt.speech.baseline import Accumulator
from affekt.types import Sample

#: Speaker baselines of a tested clip, as described in a protocol.
BASELINES = {
    "neutral": "speaker baseline from the speaker's other neutral clips",
    "any": "speaker baseline from all of the speaker's other clips, no labels used",
    "running": "speaker baseline from the speaker's clips before, no labels used",
}
PLACE = "{speaker}"
COLUMNS = ("path", "file", "filename")


def speakers_of(sources: Sequence[str], how: str) -> dict[str, str]:
    """Who speaks in each recording, from its name or from a table.

    Parameters
    ----------
    sources : sequence of str
        Paths.
    how : str
        A name pattern that the end of the path must match, with ``{speaker}`` in it and
        ``*`` for anything else (``{speaker}_*.wav``); or ``TABLE.csv:COLUMN``, with
        the recordings in a column ``path``.

    Returns
    -------
    dict of str to str
        Source to speaker; recordings with unknown speakers are left out.

    Raises
    ------
    InputError
        If it is neither, the table cannot be read, or no recording has a speaker.

    Examples
    --------
    >>> speakers_of(["calls/ann_1.wav", "calls/ben_1.wav"], "{speaker}_*.wav")
    {'calls/ann_1.wav': 'ann', 'calls/ben_1.wav': 'ben'}
    >>> speakers_of(["ann/1.wav"], "{speaker}/*")
    {'ann/1.wav': 'ann'}
    """
    if PLACE in how:
        found = _by_name(sources, how)
    elif (table := how.rpartition(":"))[0].lower().endswith(".csv"):
        found = _by_table(sources, Path(table[0]), table[2])
    else:
        raise InputError(
            f"speakers from {how!r}: give a name with {PLACE} in it, such as {PLACE}_*.wav or {PLACE}/*, "
            "or TABLE.csv:COLUMN."
        )
    if not found:
        raise InputError(f"speakers from {how!r}: none of {len(sources)} recordings matches, such as {sources[0]}.")
    return found


def _by_name(sources: Sequence[str], pattern: str) -> dict[str, str]:
    if pattern.count(PLACE) > 1:
        raise InputError(f"speakers from {pattern!r}: {PLACE} may stand there once.")
    parts = [re.escape(part).replace(r"\*", "[^/]*") for part in pattern.replace(os.sep, "/").split(PLACE)]
    # The shortest match for the speaker: ann_1_2.wav is by ann.
    compiled = re.compile(f"(?:^|/){parts[0]}([^/]+?){parts[1]}$")
    matches = {source: compiled.search(source.replace(os.sep, "/")) for source in sources}
    return {source: match[1] for source, match in matches.items() if match}


def _by_table(sources: Sequence[str], path: Path, column: str) -> dict[str, str]:
    try:
        table = read_table(path, needed=[])
    except CorpusError as error:
        raise InputError(str(error)) from None
    by_case = {name.lower(): name for name in reversed(table.columns)}
    named = next((by_case[name] for name in COLUMNS if name in by_case), None)
    wanted = column if column in table.columns else by_case.get(column.lower())
    if wanted is None or named is None:
        raise InputError(f"{path}: has the columns {', '.join(table.columns) or '-'}; needed: {column}, and path.")
    places = ((row[named].replace("\\", "/"), row[wanted]) for _, row in table.rows)
    speakers = {_plain(path.parent / place): who for place, who in places if place and who}
    return {source: speakers[_plain(source)] for source in sources if _plain(source) in speakers}


def _plain(path: str | Path) -> str:
    """A path as it is compared: complete, with accents in one Unicode form."""
    return unicodedata.normalize("NFC", os.path.abspath(path))


def baselines_of_recordings(
    recognizer: Recognizer, speakers: Mapping[str, str], *, tick: Callable[[], None] = lambda: None
) -> dict[str, Recognizer]:
    """A recogniser for each recording, with a baseline from the other recordings of its speaker.

    Parameters
    ----------
    recognizer : Recognizer
        With a model that takes speaker baselines.
    speakers : mapping of str to str
        Source to speaker, see :func:`speakers_of`.
    tick : callable
        Called after each recording.

    Returns
    -------
    dict of str to Recognizer
        No labels are used. A recording is left out if its speaker has no other
        recording, or if it cannot be read.

    Raises
    ------
    InputError
        If the model takes no speaker baseline.
    """
    accumulators = accumulate_all(recognizer, {source: source for source in speakers}, tick=tick)
    by_speaker = grouped({source: speakers[source] for source in accumulators})
    others = {source: [o for o in by_speaker[speakers[source]] if o != source] for source in accumulators}
    return with_others(recognizer, accumulators, others, kind="any")


def baselines_of_samples(
    recognizer: Recognizer, samples: Sequence[Sample], baseline: str, *, tick: Callable[[], None] = lambda: None
) -> dict[str, Recognizer]:
    """A recogniser for each clip of a test set, with a baseline from other clips of its speaker.

    Parameters
    ----------
    recognizer : Recognizer
        With a model that takes speaker baselines.
    samples : sequence of Sample
    baseline : str
        A key of ``BASELINES``.
    tick : callable
        Called after each clip.

    Returns
    -------
    dict of sample id to Recognizer
        Clips whose speaker has no other readable clip are left out.

    Raises
    ------
    InputError
        If the model takes no speaker baseline.
    UnknownName
        If there is no such baseline.
    """
    if baseline not in BASELINES:
        raise UnknownName("speaker baseline", baseline, BASELINES)
    accumulators = accumulate_all(recognizer, {sample.id: sample for sample in samples}, tick=tick)
    readable = [sample for sample in samples if sample.id in accumulators and sample.speaker is not None]
    # The order in which a stream could bring them: any, as long as it does not follow the emotions.
    readable = [readable[i] for i in np.random.default_rng(0).permutation(len(readable))]
    by_speaker = grouped({sample.id: str(speaker_of(sample)) for sample in readable})
    labels = {sample.id: sample.label for sample in readable}
    others = {}
    for clips in by_speaker.values():
        for i, clip in enumerate(clips):
            known = clips[:i] if baseline == "running" else [other for other in clips if other != clip]
            others[clip] = [other for other in known if baseline != "neutral" or labels[other] == "neutral"]
    return with_others(recognizer, accumulators, others, kind="neutral" if baseline == "neutral" else "any")


def accumulate_all(
    recognizer: Recognizer, sources: Mapping[str, str | Sample], *, tick: Callable[[], None] = lambda: None
) -> dict[str, Accumulator]:
    """The accumulator of the speech in each recording or sample, by name; those that cannot be read are left out."""
    recognizer.with_baseline(running=True)  # refuses at once when the model takes no baseline
    accumulators: dict[str, Accumulator] = {}
    for name, source in sources.items():
        with suppress(AffektError, OSError):  # reported when the recording itself is recognised
            accumulators[name] = recognizer.accumulate(source)
        tick()
    return accumulators


def with_others(
    recognizer: Recognizer, accumulators: Mapping[str, Accumulator], others: Mapping[str, Sequence[str]], *, kind: str
) -> dict[str, Recognizer]:
    """For each source a recogniser with a baseline from the others; none where they hold too little speech."""
    found = {}
    for source, known in others.items():
        total = Accumulator()
        for other in known:
            total.join(accumulators[other])
        if baseline := total.baseline(kind):
            found[source] = recognizer.with_baseline(baseline)
    return found


def grouped(speakers: Mapping[str, str]) -> dict[str, list[str]]:
    """Speaker to sources, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for source, speaker in speakers.items():
        found[speaker].append(source)
    return found
