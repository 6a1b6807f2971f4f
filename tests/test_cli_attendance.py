"""The command as a teacher types it: drawn faces, a video of them, a folder of pictures, and what goes wrong."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

for package in ("sqlalchemy", "cryptography", "openpyxl", "onnx"):
    pytest.importorskip(package, reason="attendance needs the extra: pip install '.[attendance]'")

from affekt.cli import main
from tests.drawn_faces import colour_embedder, drawn_face, write_pictures, write_video

WINDOW = ("--from", "09:30", "--to", "10:00", "--zone", "Europe/Berlin")


class Desk:
    """A folder with a store, a key and pictures, and the command."""

    def __init__(self, folder):
        self.folder = folder
        self.embedder = ("--embedder", str(colour_embedder(folder / "colours.onnx")))
        self.kept = ("--store", str(folder / "a.sqlite"), "--key", str(folder / "a.key"))

    def __call__(self, command, *arguments, status=0, faces=False):
        options = (*self.kept, *(self.embedder if faces else ()))
        done = CliRunner().invoke(main, ["attendance", command, *map(str, arguments), *options])
        assert done.exit_code == status, done.output
        return done.output

    def enrol(self, *names, roster="7B"):
        for name in names:
            self("consent", name, "--roster", roster, "--given-by", name, "--notice", "2026-11", "--on", "2026-11-01")
            self("enrol", name, *write_pictures(self.folder, name), "--roster", roster, faces=True)

    def run(self, source, *options, status=0):
        return self("run", source, "--roster", "7B", *WINDOW, *options, status=status, faces=True)

    def session(self):
        return self("sessions").split()[0]

    def rows(self):
        path = self.folder / "out.json"
        self("report", "--roster", "7B", "-o", path)
        return [{row["name"]: row for row in s["rows"]} for s in json.loads(path.read_text())["sessions"]]


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory):
    """A class of three, enrolled once."""
    folder = tmp_path_factory.mktemp("desk")
    Desk(folder).enrol("Ada", "Bo", "Cem")
    return folder


@pytest.fixture
def desk(enrolled, tmp_path):
    """A copy of it for each test."""
    for path in enrolled.iterdir():
        shutil.copy2(path, tmp_path)
    return Desk(tmp_path)


@pytest.fixture
def empty(tmp_path):
    return Desk(tmp_path)


def film(*names, seconds=2.0):
    """Frames in which people stand side by side, breathing."""
    count = round(10 * seconds)
    return [np.hstack([drawn_face(name, shift=(i % 3 - 1, i % 2)) for name in names]) for i in range(count)]


def test_a_day_at_school(desk):
    desk("roster", "7B", "--add", "Declined", faces=True)
    video = write_video(desk.folder / "door.mp4", film("Ada", "Stranger"))
    said = desk.run(video, "--starts", "2026-11-27T09:45:00", "--leaves-before", "5min")
    assert "09:45:0" in said
    assert "unknown, unlike everybody enrolled" in said
    assert "GDPR Art. 9" in said
    rows = desk.rows()[0]
    assert {name: row["status"] for name, row in rows.items()} == {
        "Ada": "late", "Bo": "absent", "Cem": "absent", "Declined": "not checked",
    }  # fmt: skip
    number = desk.session()
    desk("correct", number, "bo", "--status", "on time", "--reason", "behind a pillar", "--by", "Ms Hopper")
    assert "absent -> on time, Ms Hopper: behind a pillar" in desk("report", "--session", number)
    assert "corrected  absent to on time" in desk("audit")
    for kind in ("csv", "xlsx", "html"):
        path = desk.folder / f"out.{kind}"
        desk("report", "--session", number, "-o", path)
        assert path.stat().st_size > 200
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_people_are_forgotten_with_a_receipt(desk):
    video = write_video(desk.folder / "door.mp4", film("Ada", seconds=1.5))
    desk.run(video, "--starts", "2026-11-27T09:31:00")
    exported = json.loads(desk("export", "Ada", "--roster", "7B"))
    assert (len(exported["faces"]), exported["marks"][0]["status"]) == (3, "on time")
    assert exported["faces"][0]["photo"] is None
    receipt = desk.folder / "receipt.json"
    said = desk("forget", "Ada", "--roster", "7B", "-o", receipt)
    assert "verified  no row of the tables consents, templates, seen, marks, corrections, emotions" in said
    assert json.loads(receipt.read_text())["removed"]["templates"] == 3
    assert list(desk.rows()[0]) == ["Bo", "Cem"]
    assert "unknown person 'Ada'" in desk("export", "Ada", "--roster", "7B", status=2)


def test_a_folder_of_pictures_with_their_times(desk):
    folder = desk.folder / "pictures"
    folder.mkdir()
    for minute, names in enumerate((("Ada", "Bo"), ("Ada",), ("Stranger", "Ada"), ("Bo",))):
        picture = np.hstack([drawn_face(name) for name in names])
        Image.fromarray(picture).save(folder / f"2026-11-27_09-3{minute}-00.png")
    (folder / "2026-11-27_09-35-00.jpg").write_bytes(b"\xff\xd8 broken")
    said = desk.run(folder)
    assert "2026-11-27_09-35-00.jpg" in said
    rows = desk.rows()[0]
    assert {name: row["status"] for name, row in rows.items()} == {"Ada": "on time", "Bo": "absent", "Cem": "absent"}


def test_a_session_that_was_cut_off_goes_on_and_is_closed(desk):
    for name, start in (("Ada", "09:31:00"), ("Bo", "09:50:00")):
        video = write_video(desk.folder / f"{name}.mp4", film(name, seconds=1.2))
        desk.run(video, "--starts", f"2026-11-27T{start}", "--leave-open", "--camera", name)
    assert desk.rows()[0]["Cem"]["status"] == "not seen yet"
    assert "closed" in desk("close", desk.session())
    assert {name: row["status"] for name, row in desk.rows()[0].items()} == {
        "Ada": "on time", "Bo": "late", "Cem": "absent",
    }  # fmt: skip


def test_ctrl_c_ends_the_session_and_writes_the_absentees(desk):
    video = write_video(desk.folder / "door.mp4", film("Ada", seconds=2.0) * 20)
    command = ["run", str(video), "--roster", "7B", *WINDOW, "--starts", "2026-11-27T09:31:00", *desk.kept]
    with subprocess.Popen(
        [sys.executable, "-m", "affekt", "attendance", *command, *desk.embedder],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as running:  # fmt: skip
        assert "Ada" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
    assert running.returncode == 130
    assert "before its end" in rest
    assert {name: row["status"] for name, row in desk.rows()[0].items()} == {
        "Ada": "on time", "Bo": "absent", "Cem": "absent",
    }  # fmt: skip


def test_photos_are_kept_only_when_asked(desk):
    desk("consent", "Stranger", "--roster", "7B", "--given-by", "x", "--notice", "1")
    desk("enrol", "Stranger", *write_pictures(desk.folder, "Stranger"), "--roster", "7B", "--keep-photos", faces=True)
    found = json.loads(desk("export", "Stranger", "--roster", "7B"))
    assert all(face["photo"].startswith("/9j/") for face in found["faces"])
    assert b"JFIF" not in (desk.folder / "a.sqlite").read_bytes()


def test_emotions_need_a_purpose_and_are_only_in_an_export_that_asks(desk):
    video = write_video(desk.folder / "door.mp4", film("Ada", seconds=1.2))
    at = ("--starts", "2026-11-27T09:31:00")
    said = desk.run(video, *at, "--emotion", status=2)
    assert "--emotion needs --emotion-purpose medical|safety|research-with-consent" in said
    assert "unknown purpose" in desk.run(video, *at, "--emotion", "--emotion-purpose", "curiosity", status=2)
    said = desk.run(video, *at, "--emotion", "--emotion-purpose", "medical")
    assert "Art. 5(1)(f): it is prohibited to infer emotions of people at work or in education" in said
    desk("report", "--roster", "7B", "-o", desk.folder / "plain.csv")
    assert "emotion" not in (desk.folder / "plain.csv").read_text()
    desk("report", "--roster", "7B", "-o", desk.folder / "felt.csv", "--with-emotion")
    felt = (desk.folder / "felt.csv").read_text()
    assert "emotion (mean),share unsure,purpose" in felt
    assert ",medical" in felt


def test_a_still_picture_shows_no_sign_of_life(desk):
    video = write_video(desk.folder / "still.mp4", [drawn_face("Ada")] * 25)
    said = desk.run(video, "--starts", "2026-11-27T09:31:00", "--liveness", "turn")
    assert "waits for a sign of life: turn your head to the left and to the right" in said
    assert desk.rows()[0]["Ada"]["status"] == "not checked"


# What goes wrong.


def test_nobody_is_enrolled_without_consent(empty):
    empty("roster", "7B", "--add", "Ada", faces=True)
    said = empty("enrol", "Ada", *write_pictures(empty.folder, "Ada"), "--roster", "7B", status=2, faces=True)
    assert "no consent is on record, so no face is kept. First: affekt attendance consent 'Ada'" in said


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (np.full((120, 120, 3), 99, np.uint8), "x.png: no face is found"),
        (np.hstack([drawn_face("Ada"), drawn_face("Cem")]), "x.png: 2 faces are in it"),
        (drawn_face("Ada", size=72), "x.png: .*too small"),
    ],
)
def test_photos_that_cannot_be_enrolled_say_why_and_the_others_are_kept(desk, picture, sentence):
    bad = desk.folder / "x.png"
    Image.fromarray(picture).save(bad)
    desk("consent", "Stranger", "--roster", "7B", "--given-by", "x", "--notice", "1")
    said = desk("enrol", "Stranger", bad, "--roster", "7B", status=2, faces=True)
    assert re.search(sentence, said)
    assert "none of the photos can be used; nothing is enrolled" in said
    good = write_pictures(desk.folder, "Stranger")
    said = desk("enrol", "Stranger", bad, *good, desk.folder / "none.png", "--roster", "7B", status=1, faces=True)
    assert "none.png: no such file" in said
    assert "Stranger: 3 photos enrolled" in said


def test_the_same_face_under_two_names_is_refused(desk):
    desk("consent", "Ida", "--roster", "7B", "--given-by", "x", "--notice", "1")
    Image.fromarray(drawn_face("Ada", shift=(4, 4))).save(desk.folder / "again.png")
    said = desk("enrol", "Ida", desk.folder / "again.png", "--roster", "7B", status=2, faces=True)
    assert "the face of Ida is as good as that of Ada" in said
    assert "Ada   3" in desk("roster", "7B", faces=True)


def test_a_roster_of_one_says_what_is_not_known(empty):
    empty.enrol("Ada")
    said = empty("roster", "7B", faces=True)
    assert "the usual one: 1 person(s) are too few to fit one, and how often a stranger is taken for" in said
    assert "nobody is on the roster of 9Z" in empty("roster", "9Z", status=2, faces=True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--zone", "Europe/Berln"), "zone 'Europe/Berln' is unknown. Did you mean Europe/Berlin?"),
        (("--to", "09:00"), "the window from 09:30 to 09:00 ends before it begins"),
        (("--from", "half past nine"), "give HH:MM"),
        (("--late-after", "soon"), "length of time 'soon'"),
        (("--starts", "yesterday"), "time 'yesterday'; give a date and a time"),
    ],
)
def test_windows_and_zones_that_make_no_sense_start_no_session(desk, options, sentence):
    video = write_video(desk.folder / "door.mp4", film("Ada", seconds=0.3))
    assert sentence in desk.run(video, "--starts", "2026-11-27T09:31:00", *options, status=2)
    assert "there is no session yet" in desk("sessions", status=2)


def test_a_window_that_is_over_is_refused_before_the_camera_is_opened(desk):
    now = datetime.now(UTC)
    past = [f"{now - timedelta(minutes=minutes):%H:%M}" for minutes in (3, 1)]
    if past[0] > past[1]:
        pytest.skip("it is midnight")
    said = desk(
        "run", "webcam", "--roster", "7B", "--from", past[0], "--to", past[1], "--zone", "UTC", status=2, faces=True
    )
    assert "is over: it is" in said


def test_a_recording_without_a_start_is_asked_for_it(desk):
    video = write_video(desk.folder / "door.mp4", film("Ada", seconds=0.3))
    assert "when did this recording begin? Give --starts" in desk.run(video, status=2)


def test_a_closed_session_is_not_run_again(desk):
    video = write_video(desk.folder / "door.mp4", film("Ada", seconds=0.3))
    desk.run(video, "--starts", "2026-11-27T09:31:00")
    assert "is closed. Put what is missing in by hand" in desk.run(video, "--starts", "2026-11-27T09:31:00", status=2)


@pytest.mark.parametrize("name", ["../../tmp/evil", "=cmd|' /C calc'!A0", "👩‍🎓 O'Brien\u200d"])
def test_a_name_that_is_a_path_a_formula_or_an_emoji_is_a_name(empty, name):
    before = set(os.listdir(empty.folder))
    empty("consent", name, "--roster", "7B", "--given-by", name, "--notice", "1")
    empty("enrol", name, *write_pictures(empty.folder, "Ada"), "--roster", "7B", faces=True)
    assert json.loads(empty("export", name, "--roster", "7B"))["name"] == name
    made = {entry for entry in set(os.listdir(empty.folder)) - before if not entry.startswith(("a.", "Ada"))}
    assert made == set()
    empty("forget", name, "--roster", "7B")


def test_a_name_with_a_control_character_is_refused(empty):
    said = empty("consent", "Ada\x1b[2J", "--roster", "7B", "--given-by", "x", "--notice", "1", status=2)
    assert "characters that cannot be seen" in said
    assert "\x1b" not in said


def test_an_unknown_format_says_the_near_one(desk):
    assert "unknown format 'xls': did you mean 'xlsx'?" in desk("report", "-o", desk.folder / "o.xls", status=2)


def test_looking_at_a_store_that_is_not_there_makes_none(empty):
    before = sorted(os.listdir(empty.folder))
    for command in (("sessions",), ("roster", "7B"), ("forget", "Ada", "--roster", "7B"), ("sweep",)):
        said = empty(*command, status=2, faces=command[0] == "roster")
        assert "there is no store. Name it (--store), or begin one: affekt attendance consent" in said
    assert sorted(os.listdir(empty.folder)) == before


def test_a_lost_key_is_said(desk):
    (desk.folder / "a.key").unlink()
    assert "no such key file" in desk("roster", "7B", status=2, faces=True)


def test_consent_is_taken_back(desk):
    said = desk("consent", "Ada", "--roster", "7B", "--withdraw")
    assert "deleted   3 of templates" in said
    assert "Ada   by hand  none" in desk("roster", "7B", faces=True)
    assert "deleted: the faces of 0 people, 0 sessions" in desk("sweep")


@pytest.mark.corpora
def test_the_two_clips_with_people_enrolled_from_other_frames(corpora_folder, tmp_path):
    """dlib on real faces: whoever is in a clip is marked in it, and nobody else."""
    pytest.importorskip("dlib")
    from affekt.face.stream import frames_of

    folder = next((path for path in corpora_folder.parent.rglob("video") if (path / "test.mp4").exists()), None)
    if folder is None:
        pytest.skip("the clips are not beside the corpora")
    desk = Desk(tmp_path)
    desk.embedder = ()
    for name, clip, moments in (("Lin", "short_hamilton_clip", (3.61, 3.95, 4.25)), ("Ann", "test", (0.52, 1.0, 1.1))):
        photos = []
        for frame in frames_of(folder / f"{clip}.mp4", rate=0):
            if any(abs(frame.time - moment) < 0.019 for moment in moments):
                photos.append(tmp_path / f"{name}{len(photos)}.png")
                Image.fromarray(frame.pixels).save(photos[-1])
        desk("consent", name, "--roster", "7B", "--given-by", name, "--notice", "1")
        desk("enrol", name, *photos, "--roster", "7B")
    # The window opens behind the frames that they were enrolled from.
    desk.run(folder / "short_hamilton_clip.mp4", "--starts", "2026-11-27T09:29:55.5")
    assert {name: row["status"] for name, row in desk.rows()[0].items()} == {"Ann": "absent", "Lin": "on time"}
