"""Indian EmoSpeech Command Dataset, version 0.1: six commands, called at home, in streets and over the web.

Banga, Upadhyay, Agarwal, Sharma and Mukherjee (2019), arXiv:1910.13801. CC BY-NC-SA 4.0.

Names: keyword-environment-emotion-time-user, such as
``bacho-safe-angry-1562907046662-d14a...``, below a folder for the place. The keyword is
the sentence, except for ``unknown`` (another word) and ``background`` (no
keyword): these have no sentence. The user is a SHA-224 hash; the sample's speaker is its
first eight digits, which are unique for all 108. The times are written in five ways, or
not at all (``??``), and one place's folder name contains a space.

The label of ``background`` is ``None``, whatever the name says: 880 of these 1,116 clips are
called calm, and mostly nobody speaks in them. ``meta["published"]`` keeps the emotion
in the name, which may be ``None``.

Trap: 5,709 of the 7,741 clips, and all that are not from ``webservice``, have the user
``d14a028c...``: that is the SHA-224 of the empty string. Their speaker is unknown, not one person;
a split by speaker must do without them. A user may also be a phone that several people
spoke into. 89 sounds occur twice or more: 83 are clips from ``House`` filed under both
``safe`` and ``scream``, three are filed under two emotions, and one both under a user and
under no user.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from affekt.corpora.corpus import Clip, Corpus

NAME = re.compile(
    r"(bacho|background|go|help|no|stop|unknown|yes)-(safe|scream|gunshots|glass break)-"
    r"(angry|calm|fearful|happy|None)-[^-]+-([0-9a-f]{56})",
    re.ASCII,
)
EMOTIONS = {"angry": "angry", "calm": "calm", "fearful": "fear", "happy": "happy", "None": None}
PLACES = {"house", "metro", "misc", "near lake", "railway", "roads", "webservice"}
BACKGROUND, UNKNOWN_WORD = "background", "unknown"
#: SHA-224 of the empty string.
UNKNOWN_USER = "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f"


def parse(path: PurePosixPath) -> Clip | None:
    """Read one name, and the folder above it where it is a place."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return None
    keyword, environment, emotion, user = match.groups()
    place = path.parent.name.lower()
    return Clip(
        name=path.stem,
        label=None if keyword == BACKGROUND else EMOTIONS[emotion],
        speaker=None if user == UNKNOWN_USER else user[:8],
        sentence=None if keyword in (BACKGROUND, UNKNOWN_WORD) else keyword,
        meta={
            "keyword": keyword,
            "environment": environment,
            "published": emotion,
            **({"place": place} if place in PLACES else {}),
        },
    )


CORPUS = Corpus(
    name="emospeech",
    title="Indian EmoSpeech",
    languages=("English", "Hindi"),
    licence="CC BY-NC-SA 4.0",
    home="https://github.com/RakshakTeam/emospeech-dataset-v1",
    clips=7741,
    speakers=108,
    labels=("angry", "calm", "fear", "happy"),
    example=f"House/bacho-safe-angry-1562907046662-{UNKNOWN_USER}.wav",
    parse=parse,
)
