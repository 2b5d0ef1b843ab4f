"""A folder of flow files, watched: what its files say goes to `flow-configs`, well within a second.

It is looked at rather than listened to: five times a second the names, sizes and times of a few files, the
same on every system and on network folders. What changed is read once it is the same at two looks, so that
a file half written by an editor is seldom seen.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from app.flows.folder import Complaint, Made, Steps, steps
from app.kit.clock import today
from app.kit.secrets import Secrets
from app.presets.expiry import lint
from app.settings import Settings
from app.stream.kafka import new_producer
from app.stream.whole import WholeTable

_LOOK_S = 0.2
_CATCH_UP_S = 0.02

_Stamps = dict[str, tuple[int, int, int]]


class Folder:
    """Writes what a folder says, and tells a person what it did, a line each; `made` is what it wrote."""

    def __init__(
        self, settings: Settings, folder: Path, secrets: Secrets, tell: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._secrets = secrets
        self._tell = tell
        self._topic = settings.topics.flow_configs.name
        self._producer = new_producer(settings)
        self._latest: WholeTable[int] = WholeTable(settings, self._topic, lambda key, value, offset: offset)
        self._settled: _Stamps = {}
        self._written = -1  # the offset of our newest record
        self._told: tuple[Complaint, ...] = ()
        self.made: dict[str, Made] = {}
        self.ready = asyncio.Event()

    async def watch(self) -> None:
        """Follow the folder until cancelled; `ready` is set when it was read once.

        Raises aiokafka's `KafkaError` when Kafka refuses for good.
        """
        await self._producer.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._latest.follow())
                await self._latest.ready.wait()
                await self._apply(stamps(self._folder) or {})
                self.ready.set()
                await self._follow()
        finally:
            await self._producer.stop()

    async def _follow(self) -> None:
        before: _Stamps | None = self._settled
        now: _Stamps | None
        while True:
            await asyncio.sleep(_LOOK_S)
            now = await asyncio.to_thread(stamps, self._folder)
            if now is None and before is not None:
                self._tell(f"{self._folder}: is gone, its flows stay")
            elif now is not None and now == before and now != self._settled:
                await self._apply(now)
            before = now

    async def _apply(self, now: _Stamps) -> None:
        """Read the files and do what they ask for."""
        files = await asyncio.to_thread(contents, self._folder, now)
        while self._latest.offset < self._written:  # noqa: ASYNC110 - for a moment, after a write of ours
            await asyncio.sleep(_CATCH_UP_S)
        await self._do(steps(files, self.made, self._latest))
        self._settled = now

    async def _do(self, todo: Steps) -> None:
        for one in todo.complaints:
            if one not in self._told:
                place = f"{one.place}: " if one.place else ""
                self._tell(f"{one.file}: refused: {place}{one.reason}; what it said before stays")
        self._told = todo.complaints
        for flow_id, (file, config) in todo.writes.items():
            self._written = await self._send(flow_id, config)
            self.made[flow_id] = Made(file, config, self._written)
            self._tell(f"{file}: flow {flow_id} is live")
            for doubt in lint(config, self._secrets, today()):
                self._tell(f"{file}: warning: {doubt.place}: {doubt.text}")
        for flow_id, file in todo.moves.items():
            self.made[flow_id] = replace(self.made[flow_id], file=file)
        for flow_id in todo.deletes:
            self._written = await self._send(flow_id, None)
            self._tell(f"{self.made.pop(flow_id).file}: no longer holds flow {flow_id}, which is deleted")
        for flow_id in todo.forgets:
            file = self.made.pop(flow_id).file
            self._tell(f"{file}: no longer holds flow {flow_id}, which stays: others changed it since")

    async def _send(self, flow_id: str, config: bytes | None) -> int:
        """Write a record; its offset."""
        acked = await self._producer.send_and_wait(self._topic, config, key=flow_id.encode(), partition=0)
        return int(acked.offset)


def stamps(folder: Path) -> _Stamps | None:
    """The flow files of a folder (`*.json`, none hidden) with what changes when they do; None without one."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and not entry.name.startswith("."):
                    with suppress(FileNotFoundError):
                        told = entry.stat()
                        found[entry.name] = (told.st_mtime_ns, told.st_size, told.st_ino)
    except OSError:
        return None
    return found


def contents(folder: Path, names: Iterable[str]) -> dict[str, bytes | str]:
    """The files of those names: their bytes, or as a text why one cannot be read; none that has gone."""
    found: dict[str, bytes | str] = {}
    for name in names:
        try:
            found[name] = (folder / name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            found[name] = f"it cannot be read: {error.strerror}"
    return found
