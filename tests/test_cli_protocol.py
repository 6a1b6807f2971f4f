"""What `affekt protocol` refuses, before anything is written."""

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from affekt.cli import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ravdess", "--recipe", "voice-small", "--tuned", "3"), "voice-small has no second stage"),
        (("savee", "--only", "savee"), "--only is for left-out"),
        (("savee", "--frozen"), "--frozen is for voice-small"),
        (("savee", "--recipe", "face"), "face is no recipe of a voice model"),
    ],
)
def test_options_that_would_do_nothing_are_refused(tmp_path, arguments, said):
    result = CliRunner().invoke(main, ["protocol", *arguments, "-o", str(tmp_path / "run")])
    assert result.exit_code
    assert said in result.output
    assert not (tmp_path / "run").exists()
