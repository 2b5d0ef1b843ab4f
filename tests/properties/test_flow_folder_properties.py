"""Whatever happens in a folder and beside it, the folder touches only what its own files changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_flow_folder import World, a_file, a_flow

_IDS = ("F-1", "F-2", "F-3")
_CONTENTS = st.one_of(
    st.lists(
        st.builds(a_flow, st.sampled_from(_IDS), st.sampled_from(["https://a/", "https://b/"])), max_size=3
    ).map(lambda flows: a_file(*flows)),
    st.sampled_from([b"{", b"", "it cannot be read"]),
    st.none(),
)
_CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("file"), st.sampled_from(["a.json", "b.json"]), _CONTENTS),
        st.tuples(st.just("other"), st.sampled_from(_IDS), st.booleans()),
        st.tuples(st.just("look"), st.none(), st.none()),
    ),
    max_size=20,
)


@given(_CHANGES)
def test_what_others_wrote_last_is_changed_only_by_a_file_that_changed_since(
    changes: list[tuple[str, str, bytes | str | bool | None]],
) -> None:
    world = World()
    others: set[str] = set()  # flows whose newest word, after the folder was read, is not the folder's
    is_read = True
    for kind, name, value in changes:
        if kind == "file":
            world.files.pop(name, None)
            if value is not None:
                world.files[name] = value  # type: ignore[assignment]  # of the strategy's two
            is_read = False
            others.clear()  # what the folder says now is newer
        elif kind == "other" and (value or name in world.ids):
            world.apply(name, a_file(a_flow(name, "https://by.hand/")) if value else None)
            others |= {name} if is_read else set()
        elif kind == "look":
            before = dict(world.flows)
            world.look()
            is_read = True
            for flow_id in others:
                assert world.flows.get(flow_id) == before.get(flow_id)
