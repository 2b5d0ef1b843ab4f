"""A folder of flow files, watched: what its files say goes to `flow-configs`, well within a second.

It is looked at rather than listened to: five times a second the names, sizes and times of a few files, the
same on every system and on network folders. What changed is read once it is the same at two looks, so that
a file half written by an editor is seldom seen.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from app.flows.folder import Complaint, Made, Steps, steps
from app.flows.lint import lint
from app.kit.logs import logger
from app.kit.secrets import Secrets
from app.settings import Settings
from app.stream.kafka import new_producer
from app.stream.whole import WholeTable

_LOOK_S = 0.2
_CATCH_UP_S = 0.02

_Stamps = dict[str, tuple[int, int, int]]


class Folder:
    """Writes what a folder says; `made` are the flows that it wrote."""

    def __init__(self, settings: Settings, folder: Path, secrets: Secrets) -> None:
        self._secrets = secrets
        self._folder = folder
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
                logger().error("the folder of flows is gone, its flows stay", folder=str(self._folder))
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
        for complaint in todo.complaints:
            if complaint not in self._told:
                logger().error("flow file not used, what it said before stays", **_shown(complaint))
        self._told = todo.complaints
        for flow_id, (file, config) in todo.writes.items():
            self._written = await self._send(flow_id, config)
            self.made[flow_id] = Made(file, config, self._written)
            logger().info("flow is live", flow=flow_id, file=file)
            for warning in lint(config, self._secrets):
                logger().warning("flow is doubtful", file=file, place=warning.place, reason=warning.text)
        for flow_id, file in todo.moves.items():
            self.made[flow_id] = replace(self.made[flow_id], file=file)
        for flow_id in todo.deletes:
            self._written = await self._send(flow_id, None)
            logger().info("flow deleted with its file", flow=flow_id, file=self.made.pop(flow_id).file)
        for flow_id in todo.forgets:
            file = self.made.pop(flow_id).file
            logger().warning("file is gone, its flow stays: others changed it since", flow=flow_id, file=file)

    async def _send(self, flow_id: str, config: bytes | None) -> int:
        """Write a record; its offset."""
        acked = await self._producer.send_and_wait(self._topic, config, key=flow_id.encode(), partition=0)
        return int(acked.offset)


def _shown(complaint: Complaint) -> dict[str, str]:
    shown = {"file": complaint.file, "place": complaint.place, "reason": complaint.reason}
    return {name: text for name, text in shown.items() if text}


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
