"""docs/reference: settings, topics, metrics, commands and macros, written from the code that they describe.

.venv/bin/python -m tests.reference     # or: make docs

A test fails while a file is not what this writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from prometheus_client.metrics import MetricWrapperBase
from typer.testing import CliRunner

import app.topics
from app import settings as settings_module
from app.cli.about_settings import ABOUT
from app.cli.commands import app as commands
from app.imports.tool import tools
from app.kit import metrics
from app.kit.reader import PREFIX, Reader
from app.settings import UNSUPPORTED, Settings, load
from app.templates.help import FILTERS, MACROS, PREFIXES, Help
from app.topics import DAY_MS, Topic

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
_MADE = "<!-- Made by `make docs`; changes here are lost. -->"
_READINGS = (
    *("text", "choice", "whole", "seconds", "delays", "name", "folder", "file", "address", "servers"),
    *("link", "networks", "addresses"),
)
_SECRET = """\
### POSTBACKS_SECRET_NAME

The value of `{secret.NAME}`, whatever NAME is; else it is read from the file NAME in `POSTBACKS_SECRETS_DIR`.
Where it is an OAuth credential its access token is sent: [oauth.md](../oauth.md).
"""


def pages() -> dict[str, str]:
    """Each file of the folder, by its name."""
    return {
        "settings.md": _page("Settings", _settings()),
        "topics.md": _page("Topics", _topics()),
        "metrics.md": _page("Metrics", _metrics()),
        "commands.md": _page("Commands", _commands()),
        "macros.md": _page("Macros and filters", _macros()),
        "imports.md": _page("Macros of other tools", _imports()),
    }


def _page(title: str, lines: Iterator[str]) -> str:
    return "\n".join([f"# {title}", "", _MADE, "", *lines]).rstrip("\n") + "\n"


class _Recorder(Reader):
    """Remembers how each setting is read."""

    def __init__(self) -> None:
        super().__init__({f"{PREFIX}WORKER": "w"})
        self.told: dict[str, tuple[str, tuple[Any, ...]]] = {}

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in _READINGS:
            return found

        def recorded(setting: str, *arguments: Any) -> Any:
            self.told.setdefault(setting, (name, arguments))  # the outermost reading is told first
            return found(setting, *arguments)

        return recorded


def readings() -> dict[str, tuple[str, tuple[Any, ...]]]:
    """Each setting with the method that reads it and its arguments: the default, then the limits."""
    recorder = _Recorder()
    settings_module._read(recorder)
    return recorder.told | dict.fromkeys(UNSUPPORTED, ("text", ("",)))


def _settings() -> Iterator[str]:
    yield (
        "Each is read from its flag before the command (`postbacks --max-in-flight 64 worker`), from the\n"
        "environment, or from a `.env` file in the working directory; the first that has it wins.\n"
        "A wrong one stops the start with its name and why.\n"
    )
    read = readings()
    for group, some in ABOUT.items():
        yield f"## {group}\n"
        for name, says in some.items():
            yield f"### {PREFIX}{name}\n"
            yield f"{says}\n"
            if name in read and (limits := _limits(name, *read[name])):
                yield f"{limits}\n"
    yield _SECRET


def _limits(name: str, how: str, arguments: Sequence[Any]) -> str:
    """What may be written, and what holds otherwise."""
    default, *limits = arguments or ("",)
    match how:
        case "choice":
            may_be = "One of " + ", ".join(f"`{one}`" for one in limits[0])
        case "whole":
            may_be = f"A whole number from {limits[0]:,} to {limits[1]:,}"
        case "seconds":
            may_be = f"Seconds, from {limits[0]:g} to {limits[1]:,g}"
        case "address":
            may_be, default = "`host:port`", f"{default}:{limits[0]}"
        case "servers":
            may_be = "`host:port,host:port`"
        case "link":
            may_be = "`http://user:password@host:8123/database`"
        case "delays":
            may_be = "Up to ten delays such as `30s`, `5m`, `2h`, `1d`, the shortest first"
        case "folder":
            may_be = "A folder"
        case "file":
            may_be = "A file"
        case "networks":
            may_be = "Networks such as `10.0.0.0/8,127.0.0.1`"
        case "addresses":
            may_be = "An address, or one of IPv4 and one of IPv6"
        case "name":
            may_be = "Up to 100 of `A-Z a-z 0-9 . _ -`"
        case _:
            may_be = "A text"
    if name == "WORKER":
        default = "the machine’s name"
        return f"{may_be}. Default: {default}."
    shown = f"{default:g}" if isinstance(default, float) else default
    return f"{may_be}. " + (f"Default: `{shown}`." if shown != "" else "Not set by default.")


def _topics() -> Iterator[str]:
    settings = load({f"{PREFIX}WORKER": "w"})
    yield (
        "As `postbacks migrate` makes them, here under the prefix `postbacks` (`POSTBACKS_PREFIX`) and\n"
        "with the settings’ defaults. JSON Schemas and examples of the values: [schemas/](../../schemas).\n"
    )
    told = topic_rows()
    for topic in settings.topics.all():
        key, value = told[row_of(topic, settings)]
        yield f"## {topic.name}\n"
        yield f"- Key: {key}."
        yield f"- Value: {value}."
        yield f"- {_kept(topic)}\n"


def topic_rows() -> dict[str, tuple[str, str]]:
    """Key and value of each topic, as the map of the topics says them."""
    rows = re.findall(r"^\| (\S+) \| (.+?) \| (.+) \|$", app.topics.__doc__ or "", re.MULTILINE)
    return {name: (key, value) for name, key, value in rows if not name.startswith(("topic", "---"))}


def row_of(topic: Topic, settings: Settings) -> str:
    """The name by which the map has a topic."""
    if topic in [tier.topic for tier in settings.topics.retries]:
        return "postback-retries.<delay>"
    name = topic.name.removeprefix(f"{settings.prefix}.")
    return name if name != topic.name else f"<prefix>{topic.name.removeprefix(settings.prefix)}"


def _kept(topic: Topic) -> str:
    """Partitions and retention."""
    count = f"{topic.partitions} partitions" if topic.partitions > 1 else "One partition"
    if topic.retention_ms is None:
        return f"{count}, compacted: the newest value of each key is kept."
    days = topic.retention_ms / DAY_MS
    return f"{count}, kept {days:.3g} days, records of up to {topic.max_bytes // 1024:,} KiB."


def all_metrics() -> list[MetricWrapperBase]:
    """The product's own, in the order of the code."""
    return [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]


def _metrics() -> Iterator[str]:
    yield (
        "Each worker answers `/metrics` in Prometheus’ text format, for what it does itself: add up over\n"
        "the workers. Python’s own (`python_…`, `process_…`) stand beside these.\n"
    )
    for one in all_metrics():
        family = next(iter(one.describe()))
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in one._labelnames)
        yield f"## {name}\n"
        yield f"{family.documentation}\n"
        yield f"{family.type.capitalize()}{f' by {labels}' if labels else ''}.\n"


def command_paths() -> list[tuple[str, ...]]:
    """Each command, as its words."""
    return list(_paths(typer.main.get_command(commands), ()))


def _paths(group: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        words = (*path, name)
        yield from _paths(command, words) if hasattr(command, "commands") else [words]


def _commands() -> Iterator[str]:
    yield (
        "What `--help` says. Exit status: 0 done, 1 failed, 2 wrong use or bad input; an error is a line\n"
        "on standard error. [Settings](settings.md) may stand before each command.\n"
    )
    for path in command_paths():
        yield f"## postbacks {' '.join(path)}\n"
        yield f"```text\n{_help(path)}\n```\n"


def _help(path: Sequence[str]) -> str:
    """Of `preview`, whose help lists all macros, without these: they have a page."""
    runner = CliRunner(env={"COLUMNS": "100"})
    said = runner.invoke(commands, [*path, "--help"], prog_name="postbacks").output
    return said.partition("\nmacros:")[0].rstrip()


def _macros() -> Iterator[str]:
    yield (
        "A macro is `{name}`, with filters after a bar: `{email|trim|lower|sha256}`. `{_name}` is the value\n"
        "raw. `postbacks preview` shows what a link sends; an unknown macro is answered with the nearest.\n"
    )
    yield "## Macros\n"
    yield from _table("macro", [*MACROS, Help("sub1 … sub30", "tags"), *PREFIXES], "{{{}}}")
    yield "\n## Filters\n"
    yield from _table("filter", FILTERS, "{}")


def _table(what: str, rows: Sequence[Help], form: str) -> Iterator[str]:
    yield f"| {what} | is |"
    yield "| --- | --- |"
    for one in rows:
        written = one.write + ("…" if one.write.endswith(".") else "")
        yield f"| `{form.format(written)}` | {one.says.replace('|', chr(92) + '|')} |"


def _imports() -> Iterator[str]:
    yield (
        "What `postbacks import` and the flow editor make of them ([how](../import.md)). A macro that is a\n"
        "tag here is empty unless leads bring it.\n"
    )
    for tool in tools().values():
        yield f"## {tool.title}\n"
        yield f"Read on {tool.read_on}: {', '.join(f'<{page}>' for page in tool.pages)}.\n"
        if tool.unconfirmed:
            yield f"Not found there: {'; '.join(tool.unconfirmed)}.\n"
        yield "| theirs | ours | is |"
        yield "| --- | --- | --- |"
        for known in tool.macros:
            theirs = " ".join(f"`{{{name}}}`" for name in known.names)
            numbers = f" (# is 1 to {known.to})" if known.to else ""
            ours = f"`{known.ours}`" if known.ours else "–"
            says = "; ".join(filter(None, (known.says, known.check))).replace("|", "\\|")
            yield f"| {theirs}{numbers} | {ours.replace('|', chr(92) + '|')} | {says} |"
        yield ""


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
