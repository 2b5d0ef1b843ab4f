"""What a role's consumer says of its partitions: those that are full, and before it has begun."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from aiokafka import TopicPartition
from faust.types import TP

from app.settings import load
from app.stream.consumer import LedgerConsumer
from app.stream.faust_app import new_app


def test_a_partition_that_was_full_is_fetched_again_and_may_be_full_again() -> None:
    consumer = LedgerConsumer.__new__(LedgerConsumer)
    consumer.app = SimpleNamespace(in_recovery=False)
    consumer._buffered_partitions = set()
    consumer._active_partitions = {TP("t", 0), TP("t", 1)}
    woken: list[bool] = []
    consumer._thread = SimpleNamespace(wake=lambda: woken.append(True))
    for _ in range(2):
        consumer.on_buffer_full(TopicPartition("t", 0))
        assert consumer._active_partitions == {TP("t", 1)}
        consumer.on_buffer_drop(TopicPartition("t", 0))
        assert consumer._active_partitions == {TP("t", 0), TP("t", 1)}
    assert woken == [True, True]


async def test_a_role_that_has_not_begun_holds_nothing(tmp_path: Path) -> None:
    settings = load({"POSTBACKS_WORKER": "w", "POSTBACKS_DATA_DIR": str(tmp_path)})
    assert new_app(settings, "outbound", tmp_path).held() == {}
