"""A request copied as curl says the same and runs nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web.curl import curl, word

_ARGUMENTS = "import json,sys; sys.stdout.write(json.dumps(sys.argv[1:]))"
_UNSEEN = st.characters(categories=("Cc", "Cf", "Ll", "Lo", "Po", "Sm", "Zs"), exclude_characters="\0")


def words_of(line: str) -> list[str]:
    """What bash makes of a line of words."""
    done = subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {line}', sys.executable, _ARGUMENTS], capture_output=True, check=True
    )
    found: list[str] = json.loads(done.stdout)
    return found


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(_UNSEEN | st.sampled_from("'\"`$\\!;&|<>(){}[]*?~#\n\t é")), min_size=1, max_size=20))
def test_a_shell_reads_each_text_as_one_word_whatever_it_holds(texts: list[str]) -> None:
    assert words_of(" ".join(map(word, texts))) == texts


@pytest.mark.parametrize("text", ["\x1b[31m", "\u202egpj.exe", "a\nrm -rf /\n", "\x03"])
def test_no_control_character_is_pasted(text: str) -> None:
    assert word(text).isprintable()


def test_a_body_that_begins_with_an_at_sign_reads_no_file_and_what_is_masked_is_a_placeholder() -> None:
    told = curl("POST", "https://h.example/[1]?k=•••", {"X-Key": "•••", "X-Empty": ""}, "@/etc/passwd")
    assert "--data-raw @/etc/passwd" in told
    assert "--globoff" in told
    assert "k=SECRET" in told
    assert "'X-Key: SECRET'" in told
    assert "'X-Empty;'" in told
    assert "•" not in told
    assert "--header Content-Type:" in told
