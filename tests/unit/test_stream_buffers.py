"""Faust's consumer knows partitions by its own type: what is full and empties again is of that type."""

from __future__ import annotations

from types import SimpleNamespace

from aiokafka import TopicPartition
from faust.types import TP

from app.stream.consumer import LedgerConsumer


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
