"""The page about a corpus: every plot, what it shows, and the numbers behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from affekt.data.counts import Counts, count
from affekt.data.explore import VECTOR, Exploration, Groups, bands_of, differences_of, lengths_of, levels_of, pitches_of
from affekt.data.explore_notes import notices_of
from affekt.data.maps import Grouping, Map
from affekt.plot.explore import bars, boxes, draw_examples, draw_map, draw_spectra, heat, new_figure
from affekt.plot.page import Picture, Section, Table, page, png
from affekt.write.report import FindingRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Most rows in a table of files; of the rest, only the number is given.
MOST_FILES = 100

BOXES = "A box holds the middle half of the clips, the line in it is the median; dots are far from the rest."
EXAMPLES = (
    "one clip of each emotion and sex: of one speaker and sentence where there are such, else the clip nearest "
    "the median length. Each title says which."
)
TIED = 0.5  # from this share on, voice and emotion cannot be told apart
SHOWN_BANDS = (125, 250, 500, 1000, 2000, 4000)  # Hz, of the table


@dataclass(frozen=True, eq=False)
class Chapter:
    """One picture of the page.

    Parameters
    ----------
    name : str
        Of the file, without ``.png``.
    title, see, caption : str
        The heading; what the plot shows, in a sentence or two; what is drawn.
    figure : matplotlib Figure
    tables : sequence of Table
        The numbers.
    """

    name: str
    title: str
    see: str
    caption: str
    figure: Figure
    tables: Sequence[Table] = ()

    @cached_property
    def png(self) -> bytes:
        """The picture as a PNG file; drawn once, for the file and the page."""
        return png(self.figure)


def chapters(data: Exploration) -> tuple[Chapter, ...]:
    """Draw all pictures that there is data for."""
    return tuple(chapter for make in CHAPTERS if (chapter := make(data)))


def explore_page(
    data: Exploration, drawn: Iterable[Chapter], *, title: str, facts: Sequence[tuple[str, object]] = (),
    skipped: Sequence[str] = (),
) -> str:  # fmt: skip
    """The page as HTML text.

    Parameters
    ----------
    data : Exploration
    drawn : iterable of Chapter
        As :func:`chapters` gives them.
    title : str
        Of the page.
    facts : sequence of (name, value)
        What else is known of the corpus; the first table.
    skipped : sequence of str
        Files that are not samples, each with the reason.
    """
    sections = [Section("In short", tables=[Table(("what", "here"), [*facts, *_facts(data)])])]
    ranked = sorted(notices_of(data), key=lambda notice: notice.severity != "warning")
    findings = [FindingRow(one.severity, one.what, one.sentence, one.remedy) for one in ranked]
    if findings:
        sections.append(Section("What to look out for", findings=findings, severe=ranked[0].severity == "warning"))
    sections += _files(data, skipped)
    for chapter in drawn:
        pictures = [Picture(chapter.caption, chapter.png)]
        sections.append(Section(chapter.title, [chapter.see], chapter.tables, pictures))
    sections.append(Section("All speakers", tables=[_counted(count(data.samples, "speaker", "label"))]))
    return page(title, sections)


def _facts(data: Exploration) -> list[tuple[str, object]]:
    seconds = sum(data.lengths.values())
    rates = sorted(set(data.rates.values()))
    return [
        ("clips that can be read", f"{len(data.samples):,}"),
        ("speakers", len({s.speaker for s in data.samples if s.speaker}) or "unknown"),
        ("emotions", ", ".join(count(data.samples, "label", "sex").rows)),
        ("length of all clips", f"{seconds / 60:.1f} min, {seconds / len(data.samples):.2f} s on average"),
        ("sampling rate of the files", ", ".join(f"{rate} Hz" for rate in rates)),
        ("decoded for level, spectra, pitch and the map", f"{len(data.measures):,} clips, drawn evenly over emotions"),
    ]


def _files(data: Exploration, skipped: Sequence[str]) -> list[Section]:
    found = []
    if data.unreadable:
        words = f"{len(data.unreadable):,} clips cannot be read; nothing on this page counts them."
        table = Table(("clip", "why"), _cut(list(data.unreadable.items())))
        found.append(Section("Clips that cannot be read", [words], [table], severe=True))
    for title, sentences in (("Odd clips, read as far as they go", data.odd), ("Files that are no sample", skipped)):
        if sentences:
            found.append(Section(title, tables=[Table(("file",), _cut([(sentence,) for sentence in sentences]))]))
    return found


def _cut(rows: Sequence[Sequence[object]]) -> list[Sequence[object]]:
    more = len(rows) - MOST_FILES
    return [*rows[:MOST_FILES], *([(f"and {more:,} more",)] if more > 0 else [])]


def _classes(data: Exploration) -> Chapter:
    table = count(data.samples, "label", "sex")
    return Chapter(
        "classes",
        "Emotions and sexes",
        "Bars of one height mean balanced classes; bars cut in the middle mean balanced sexes.",
        "Number of clips of each emotion, by the sex of the speaker.",
        _single(bars, table, "Clips of each emotion, by sex"),
        [_counted(table)],
    )


def _speakers(data: Exploration) -> Chapter:
    table = count(data.samples, "speaker", "sex")
    return Chapter(
        "speakers",
        "Speakers",
        "Few bars: little is known of other people. Bars of very different height: a few voices are most of the "
        "corpus.",
        "Number of clips of each speaker, coloured by sex.",
        _single(bars, table, "Clips of each speaker, by sex"),
    )


def _speakers_by_emotion(data: Exploration) -> Chapter:
    table = count(data.samples, "label", "speaker")
    return Chapter(
        "speakers-by-emotion",
        "Who speaks which emotion",
        "A cross means no clips. A column with a single number is a voice that is heard in one emotion only: "
        "knowing the voice is knowing the emotion.",
        "Number of clips of each emotion (rows) and speaker (columns).",
        _single(heat, table, "Clips of each emotion and speaker", 1.4 + 0.34 * len(table.rows)),
    )


def _lengths(data: Exploration) -> Chapter:
    groups = lengths_of(data)
    return Chapter(
        "lengths",
        "Lengths",
        "Where the boxes of two emotions hardly overlap, a model may listen to the length instead of the voice.",
        f"Length of each clip in seconds. {BOXES}",
        _single(boxes, groups, "Length of the clips"),
        [_quartiles(groups, 2)],
    )


def _levels(data: Exploration) -> Chapter | None:
    groups = levels_of(data)
    if not groups.values:
        return None
    return Chapter(
        "levels",
        "Levels",
        "Angry and happy speech is usually louder than sad speech. Boxes of one height mean that the clips were "
        "made equally loud, or that the recording levels drown the difference.",
        f"Root mean square of each decoded clip in dB, full scale being 0. {BOXES}",
        _single(boxes, groups, "Level of the clips"),
        [_quartiles(groups, 1)],
    )


def _pitch(data: Exploration) -> Chapter | None:
    groups = pitches_of(data)
    if not groups.values:
        return None
    return Chapter(
        "pitch",
        "Pitch",
        "Sex moves the pitch more than most emotions do: compare within one colour. Aroused voices (angry, happy, "
        "fear, surprise) tend to be higher than calm ones (sad, neutral).",
        f"Median pitch of each decoded clip in hertz, over its voiced frames. {BOXES}",
        _single(boxes, groups, "Median pitch of the clips"),
        [_quartiles(groups, 0)],
    )


def _spectra(data: Exploration) -> Chapter | None:
    bands = bands_of(data)
    places = [int(np.abs(bands.centres - hertz).argmin()) for hertz in SHOWN_BANDS]
    rows = [(*pair, *(f"{levels[i]:.1f}" for i in places)) for pair, levels in bands.levels.items()]
    head = ("emotion", "sex", *(f"{hertz} Hz / dB" for hertz in SHOWN_BANDS))
    if not rows:
        return None
    return Chapter(
        "spectra",
        "Average spectra",
        "Above: louder emotions lie higher. Below: a line that rises to the right is a brighter, tenser voice, one "
        "that falls a softer, duller one.",
        "Long-term average spectrum in third octaves, in dB, full scale being 0 (the mean over the decoded clips); "
        "below, how each emotion differs from the mean of the emotions.",
        draw_spectra(bands, differences_of(bands)),
        [Table(head, rows)],
    )


#: Of each picture of examples: the panel, the heading and what to see.
EXAMPLE_PICTURES = {
    "waveforms": (
        "waveform",
        "One clip of each: waveform",
        "Compare down a column: how long the same words last, how loud they are, and how evenly.",
    ),
    "mel-spectrograms": (
        "mel",
        "One clip of each: mel spectrogram",
        "Bright bands that rise and fall are the melody; brightness high up is a tense or breathy voice. Each clip is "
        "scaled to its own loudest band, so that loudness does not show.",
    ),
    "mfcc": (
        "mfcc",
        "One clip of each: MFCC",
        "These 19 rows describe the shape of the spectrum. They change with the sound spoken and with the speaker far "
        "more than with the emotion: look for differences down a column, and see how small they are.",
    ),
    "pitch-tracks": (
        "pitch",
        "One clip of each: pitch",
        "Wide swings are lively (happy, surprise); a low, flat line is neutral or sad. Lone dots and jumps by an "
        "octave are errors of the pitch tracker, which creaky and breathy voices cause.",
    ),
}


def _examples(name: str) -> Callable[[Exploration], Chapter | None]:
    panel, title, see = EXAMPLE_PICTURES[name]
    what = title.rpartition(": ")[2]
    caption = f"{what[0].upper()}{what[1:]} of {EXAMPLES}"
    if panel == "mfcc":
        caption += " The first coefficient, which is the loudness, is left out."

    def chapter(data: Exploration) -> Chapter | None:
        return Chapter(name, title, see, caption, draw_examples(data.examples, panel)) if data.examples else None

    return chapter


def _map(data: Exploration) -> Chapter | None:
    if data.map is None:
        return None
    names = {"label": "emotion", "speaker": "speaker", "label of other speakers": "emotion, among other speakers only"}
    rows = [
        (names[g.by], g.groups, f"{100 * g.neighbour:.0f} %", f"{100 * g.chance:.0f} %",
         "" if np.isnan(g.silhouette) else f"{g.silhouette:.2f}")
        for g in data.map.groupings
    ]  # fmt: skip
    head = ("by", "groups", "nearest clip is of the same", "by chance", "silhouette")
    return Chapter(
        "map",
        "What the clips cluster by",
        _clusters(data.map),
        f"Each point is a clip; near points sound alike ({VECTOR}: 40 MFCC averaged over time, standardised, laid out "
        "by t-SNE). Both pictures show the same points. The axes have no unit, and the distance between two clusters "
        "means little. Silhouette and nearest clips are measured among the features, not in the picture. "
        f"{_silhouettes(data.map)}",
        draw_map(data.map),
        [Table(head, rows)] if rows else [],
    )


def _clusters(data: Map) -> str:
    """What the map shows, in words derived from its numbers."""
    found = {grouping.by: grouping for grouping in data.groupings}
    label, speaker = found.get("label"), found.get("speaker")
    words = []
    if speaker:
        words.append(_nearest(speaker, "is by the same speaker"))
    if label:
        words.append(_nearest(label, "is of the same emotion"))
    if other := found.get("label of other speakers"):
        words.append(_nearest(other, "among other speakers' clips is of the same emotion"))
    if label and speaker and data.tied >= TIED:
        words.append(
            f"{100 * data.tied:.0f} % of these clips are by speakers heard in one emotion only, so what clusters by "
            "emotion may well be the voices: this corpus cannot tell the two apart."
        )
    elif label and speaker:
        first, second = ("who speaks", "the emotion") if speaker.lift > label.lift else ("the emotion", "who speaks")
        words.append(f"These clips cluster more by {first} than by {second}.")
    if label and other and label.lift > 2 * max(0.0, other.lift):
        words.append(
            "Most of the likeness in emotion is among clips of one voice, and is gone for a new voice: "
            "a split of clips at random promises too much, so split by speaker."
        )
    return " ".join(words) or "There is one emotion and one speaker, or neither is known: nothing to compare."


def _nearest(grouping: Grouping, what: str) -> str:
    return f"The nearest clip {what} in {100 * grouping.neighbour:.0f} % (by chance {100 * grouping.chance:.0f} %)."


def _silhouettes(data: Map) -> str:
    """The silhouettes of emotion and speaker, explained."""
    found = {"label": "by emotion", "speaker": "by speaker"}
    values = [f"{found[g.by]} {g.silhouette:.2f}" for g in data.groupings if g.by in found]
    if not values:
        return ""
    return f"Silhouette {', '.join(values)}: 1 is far apart, 0 one cloud, below 0 nearer to others than to one's own."


#: In the order of the page.
CHAPTERS: tuple[Callable[[Exploration], Chapter | None], ...] = (
    _classes,
    _speakers,
    _speakers_by_emotion,
    _lengths,
    *map(_examples, EXAMPLE_PICTURES),
    _levels,
    _spectra,
    _pitch,
    _map,
)


def _single(draw: Callable[..., Axes], data: object, title: str, height: float = 3.6) -> Figure:
    """A figure of one picture."""
    figure = new_figure(height)
    draw(data, ax=figure.add_subplot()).set_title(title, loc="left", fontsize=11, fontweight="bold")
    return figure


def _counted(table: Counts) -> Table:
    """Counts with their sums."""
    rows = [(name, *map(int, row), int(row.sum())) for name, row in zip(table.rows, table.counts, strict=True)]
    return Table((table.of[0], *table.columns, "all"), [*rows, ("all", *table.counts.sum(axis=0), table.counts.sum())])


def _quartiles(groups: Groups, digits: int) -> Table:
    rows = [
        (*pair, len(values), *(f"{value:.{digits}f}" for value in groups.percentiles(pair, (10, 50, 90))))
        for pair, values in groups.values.items()
    ]
    head = ("emotion", "sex", "clips", "10 % are below", f"median / {groups.unit}", "90 % are below")
    return Table(head, rows)
