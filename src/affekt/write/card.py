"""A model's card -> Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from affekt.models.card import STAMPED, Card
from affekt.write.tables import markdown_table

#: The text for a model that takes a speaker baseline.
TAKES_BASELINE = (
    "It takes a speaker baseline: from a voice reference (`--reference`), from their other recordings "
    "(`--speaker-from`) or from what came before (`--one-speaker`). The scores above are without."
)

#: What a card counts, by modality.
SAMPLES = {"speech": "clips", "face": "faces", "text": "texts"}
#: Whom scores and choices are of, where it is known who is who.
_PEOPLE = {"face": "faces", "text": "texts"}


def to_markdown(card: Card, takes: str) -> str:
    """The card as a page: what the model is, what it learned from, and how well it performs.

    Parameters
    ----------
    card : Card
    takes : str
        Its input, in a sentence: its modality's ``takes``, see :data:`affekt.recognize.modalities.MODALITIES`.
    """
    lines = [
        f"# {card.name}",
        "",
        f"{len(card.labels)} labels: {', '.join(card.labels)}. {takes}",
        "",
        f"Licence of the weights: {card.licence}.",
        "",
        *markdown_table(
            ("learned from", SAMPLES.get(card.modality, "clips"), "speakers", "licence"),
            # 0: the speakers are not known.
            [
                (corpus, row["clips"], row["speakers"] or "not known", row["licence"])
                for corpus, row in card.data.items()
            ],
            escape=False,
        ),
        "",
    ]
    if card.scores:
        names = list(dict.fromkeys(name for entry in card.scores.values() for name in entry))
        rows = [
            (corpus, int(next(iter(entry.values()))[3]), *(_score(entry.get(name)) for name in names))
            for corpus, entry in card.scores.items()
        ]
        who = _PEOPLE.get(card.modality, "speakers")
        stamped = any(limit.startswith(STAMPED) for limit in card.limits)
        lines += [
            "Stamped scores (see the limits): not what it is worth for new voices. 95 % intervals over speakers"
            if stamped
            else f"On {who} that nothing was fitted or chosen on, with 95 % intervals over {who}",
            *(["(over clips where there are fewer than three):"] if who == "speakers" else []),
            "",
            *markdown_table(("tested on", SAMPLES.get(card.modality, "clips"), *names), rows, escape=False),
            "",
        ]
    if card.task == "emotion" and "features" not in card.input:
        lines += [f"Temperature {card.temperature:.3f}, fitted on dev {_PEOPLE.get(card.modality, 'speakers')}.", ""]
    if card.baseline:
        lines += [TAKES_BASELINE, ""]
    lines += [text for sentence in selective_sentences(card) for text in (sentence, "")]
    if card.limits:
        lines += ["Limits", "", *(f"- {limit}" for limit in card.limits)]
    return "\n".join(lines) + "\n"


def selective_sentences(card: Card) -> list[str]:
    """When a model says that it is not sure, and what is promised of its answers and label sets; may be empty.

    Examples
    --------
    >>> selective_sentences(Card("m", "speech", ("a", "b"), threshold=0.7))
    ['Not sure below a confidence of 0.70.']
    """
    found = [f"Not sure below a confidence of {card.threshold:.2f}."] if card.threshold else []
    samples = SAMPLES.get(card.modality, "clips")
    who, people = f"on the dev {samples}", ""  # identities of faces and texts are not known
    if card.modality not in _PEOPLE:
        who = f"on {card.promise.get('speakers')} dev speakers"
        people = f" of {card.conformal.get('speakers')} dev speakers"
    if card.threshold and card.promise:
        wanted, seen, coverage = (card.promise[key] for key in ("precision", "seen", "coverage"))
        found[0] += (
            f" Chosen for {wanted:.0%} right answers; {who} {_score(seen)} of the answers were right, and "
            f"{_score(coverage)} of the {samples} got one."
        )
    if card.conformal:
        found.append(
            f"Label sets from {card.conformal['clips']} {samples}{people}; their "
            f"coverage is promised for {samples} like those only."
        )
    return found


def _score(value: Sequence[float] | None) -> str:
    return f"{value[0]:.2f} [{value[1]:.2f}, {value[2]:.2f}]" if value else "-"
