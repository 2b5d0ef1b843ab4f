"""Save and delete flows, for the API and the editor: what somebody else saved first is not overwritten."""

from __future__ import annotations

from dataclasses import dataclass

from app.flows.config import FlowFault, parse
from app.flows.lint import Warning
from app.kit.clock import day_of
from app.presets.expiry import lint
from app.web.context import Web


class Conflict(Exception):
    """The flow is not as it was when the edit began; `version` is what it is now, None for none."""

    def __init__(self, version: int | None) -> None:
        super().__init__("there is no such flow any more" if version is None else f"it is at {version} now")
        self.version = version


@dataclass(frozen=True, slots=True)
class Saved:
    """A flow that Kafka has: its version, whether it is new, and what its author should hear about it."""

    version: int
    is_new: bool
    warnings: list[Warning]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a flow has to be for an edit to go on: at one of these versions; None asks for nothing.

    An empty set of versions is met by a flow that is not there, `any_version` by every one that is.
    """

    versions: frozenset[int] | None = None
    any_version: bool = False

    def meets(self, version: int | None) -> bool:
        """Whether a flow at this version, None for no flow, is what was expected."""
        if self.any_version:
            return version is not None
        if self.versions is None:
            return True
        return version in self.versions if self.versions else version is None


ANYTHING = Expected()


async def save_flow(web: Web, flow_id: str, config: bytes, expected: Expected = ANYTHING) -> Saved:
    """Write a config as it is, once it is found sound; returns when Kafka and this worker have it.

    Raises `FlowFault` for a config that cannot work, `Conflict`, and `KafkaError`. Two workers that save the
    same flow within the second in which they hear of each other do not notice it: the later one wins.
    """
    if (told := parse(config).flow_id) != flow_id:
        raise FlowFault("flow_id", f"is {told!r}, but it is to be saved as {flow_id!r}")
    warnings = lint(config, web.secrets, day_of(web.now_ms()))
    async with web.saving:
        is_new = _looked(web, flow_id, expected) is None
        return Saved(await _write(web, flow_id, config), is_new, warnings)


async def delete_flow(web: Web, flow_id: str, expected: Expected = ANYTHING) -> None:
    """Delete a flow; raises `Conflict` for one that is not as expected, and `KafkaError`."""
    async with web.saving:
        _looked(web, flow_id, expected)
        await _write(web, flow_id, None)


def _looked(web: Web, flow_id: str, expected: Expected) -> int | None:
    stored = web.flows.get(flow_id)
    version = None if stored is None else stored.version
    if not expected.meets(version):
        raise Conflict(version)
    return version


async def _write(web: Web, flow_id: str, config: bytes | None) -> int:
    return await web.write(web.settings.topics.flow_configs.name, flow_id, config, web.flows)
