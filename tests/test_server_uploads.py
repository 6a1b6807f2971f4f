"""What is known of an upload before it is worked on."""

import io

import numpy as np
import pytest
import soundfile

pytest.importorskip("fastapi", reason="the server needs the extra: pip install '.[serve]'")

from affekt.server.uploads import Upload, stated_seconds


def upload(form):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(3 * 16_000, np.float32), 16_000, format=form)
    file.seek(0)
    return Upload(f"a.{form}", file, file.getbuffer().nbytes)


@pytest.mark.parametrize("form", ["wav", "flac", "ogg", "mp3"])
def test_a_recording_too_long_is_known_before_it_is_heard(form):
    recording = upload(form)
    assert stated_seconds(recording) == pytest.approx(3, abs=0.1)
    assert recording.tell() == 0  # whoever reads it begins at its start


def test_what_is_no_recording_has_no_length():
    assert stated_seconds(Upload("a.wav", io.BytesIO(b"no sound" * 100), 800)) is None
