"""Whatever is pasted is translated: nothing is raised, and all that is no macro stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.imports.link import Asked, pieces
from app.imports.tool import macros_of, tools
from app.imports.translate import Imported, translate
from app.templates.fault import TemplateFault
from app.templates.program import compile_template

names = st.sampled_from(
    sorted({name for tool in tools() for name in macros_of(tool)} | {"email", "tag.x", "q"})
)
arguments = st.one_of(
    st.just(""),
    st.sampled_from(
        [":", ": lead=install sale=bill", ":Y-m-d H:i:s,Europe/Kyiv", ":c,No/Zone", ":raw", "|lower"]
    ),
    st.text(max_size=6).map(lambda text: ":" + text),
)
macros = st.builds(
    lambda opens, raw, name, argument, closes: f"{opens}{raw}{name}{argument}{closes}",
    st.sampled_from(["{", "%7B", "%7b", "{ "]),
    st.sampled_from(["", "_"]),
    names,
    arguments,
    st.sampled_from(["}", "%7D", "%7d", ""]),
)
text = st.text(max_size=5)
marks = st.sampled_from(
    [*"?&=#|{}%/,:", "|JSON|", "|POST|", "&cid=", "subid=", "REPLACE", "{}", "[SUB]", "${x}"]
)
links = st.builds(
    lambda start, parts: start + "".join(parts),
    st.sampled_from(["https://t.example/p?a=", "https://t.example/5bfa0f7/postback?subid=", "http://", ""]),
    st.lists(st.one_of(macros, macros, text, marks), max_size=10),
)
some_tool = st.sampled_from([None, *tools().values()])


def literal(link: str) -> list[str]:
    return [piece for piece in pieces(link) if not isinstance(piece, Asked)]


def sound(imported: Imported) -> None:
    assert [change.theirs for change in imported.changes] == [
        piece.text for piece in pieces(imported.link) if isinstance(piece, Asked)
    ]
    rest = imported.template
    for kept, change in zip(literal(imported.link), [*imported.changes, None], strict=True):
        assert rest.startswith(kept)
        rest = rest[len(kept) :]
        if change is not None:
            assert imported.link[change.at :].startswith(change.theirs)
            assert change.says
            assert rest.startswith(change.ours)
            rest = rest[len(change.ours) :]
    assert rest == ""


@given(st.one_of(st.text(), links), some_tool)
def test_any_text_is_translated_and_every_other_character_of_it_stays(link: str, tool: object) -> None:
    imported = translate(link, tool)  # type: ignore[arg-type]
    assert "".join(piece if isinstance(piece, str) else piece.text for piece in pieces(link)) == link
    sound(imported)
    if imported.fault is None:
        compile_template(imported.template)
        return
    assert imported.needs_a_person
    with pytest.raises(TemplateFault):
        compile_template(imported.template)


@given(st.lists(macros, max_size=5), some_tool)
def test_macros_of_a_known_tool_never_break_the_link_that_they_stand_in(
    told: list[str], tool: object
) -> None:
    """Each is on its own, so that one that was left open does not swallow the next."""
    for macro in told:
        imported = translate(f"https://t.example/?a={macro}&b=1", tool)  # type: ignore[arg-type]
        if "{" in macro and "|" not in macro and macro.endswith("}"):
            assert imported.fault is None or "zone" in imported.fault, imported
