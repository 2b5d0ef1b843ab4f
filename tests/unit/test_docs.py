"""What docs/ names is there: the reference is the code's, links and commands lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from app.cli.about_settings import TOLD
from app.cli.commands import app
from app.cli.flags import FLAGS
from app.settings import load, names
from tests import preset_pages, reference

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"
_PAGES = [*sorted(_DOCS.rglob("*.md")), *(_ROOT / f"{name}.md" for name in ("SECURITY", "CONTRIBUTING"))]
_MADE = reference.pages()


def _headings(name: str) -> list[str]:
    return re.findall(r"^##+ (.+)$", _MADE[name], re.MULTILINE)


@pytest.mark.parametrize("name", sorted(_MADE))
def test_the_reference_says_what_the_code_does(name: str) -> None:
    assert (reference.FOLDER / name).read_text(encoding="utf-8") == _MADE[name], "run: make docs"


def test_every_preset_has_its_page_and_each_says_what_the_preset_says() -> None:
    files = {path.name: path.read_text(encoding="utf-8") for path in preset_pages.FOLDER.glob("*.md")}
    assert files == preset_pages.pages(), "run: make docs"


def test_every_setting_has_its_heading_with_what_it_does() -> None:
    assert sorted(TOLD) == names(), "app/cli/about_settings.py says what each setting does"
    wanted = [f"POSTBACKS_{name}" for name in (*TOLD, "SECRET_NAME")]
    assert [one for one in _headings("settings.md") if one.startswith("POSTBACKS_")] == wanted


def test_every_topic_has_its_heading_and_its_row_in_the_map() -> None:
    settings = load({"POSTBACKS_WORKER": "w"})
    assert _headings("topics.md") == [topic.name for topic in settings.topics.all()]
    rows = {reference.row_of(topic, settings) for topic in settings.topics.all()}
    assert rows == set(reference.topic_rows()), "app/topics.py has the map of the topics"


def test_every_metric_and_every_command_has_its_heading() -> None:
    metrics = {name.removesuffix("_total") for name in _headings("metrics.md")}
    assert metrics == {one._name for one in reference.all_metrics()}
    wanted = [f"postbacks {' '.join(path)}" for path in reference.command_paths()]
    assert _headings("commands.md") == wanted
    assert len(wanted) > 20


def test_no_metric_is_made_outside_the_list() -> None:
    made = re.compile(r"\b(Counter|Gauge|Histogram|Summary)\(\s*[\"']postbacks_")
    found = {path for path in (_ROOT / "app").rglob("*.py") if made.search(path.read_text(encoding="utf-8"))}
    assert found == {_ROOT / "app" / "kit" / "metrics.py"}


@pytest.mark.parametrize("page", _PAGES, ids=lambda path: str(path.relative_to(_ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)", text):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


def _commands(text: str) -> list[list[str]]:
    """The commands that a page names: in the text, and as the first word of a line of a shell block."""
    lines = re.findall(r"`(?:\.venv/bin/)?(postbacks [a-z][^`]*)`", text)
    for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        told = block.replace("\\\n", " ")
        lines += re.findall(r"^(?:\$ )?(?:\.venv/bin/)?(postbacks [a-z].*)$", told, re.MULTILINE)
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize("page", _PAGES, ids=lambda path: str(path.relative_to(_ROOT)))
def test_every_command_that_a_page_names_is_one_with_these_options(page: Path) -> None:
    for words in _commands(page.read_text(encoding="utf-8")):
        command = typer.main.get_command(app)
        path = []
        while words and hasattr(command, "commands") and words[0] in command.commands:
            path.append(words.pop(0))
            command = command.commands[path[-1]]
        assert path, f"{page.name}: postbacks {' '.join(words)}"
        if command.context_settings.get("ignore_unknown_options"):
            continue  # it reads its arguments itself
        known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        for word in words:
            option = word.partition("=")[0]
            assert not option.startswith("--") or option in known | set(FLAGS), f"{page.name}: {path} {word}"
