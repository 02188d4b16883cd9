"""Where SINETStream's Kafka reader is in each partition, as state of the source."""

from __future__ import annotations

import threading
from typing import Any, List

from flink_plugins.api import Context


class KafkaPositions:
    """Where each partition is read to, kept in the state instead of in Kafka's consumer group.

    Partitions are dealt out by number, so that after a restart each is read by the instance that
    has its position. The group's own committed offsets only say where a job without state starts.
    """

    def __init__(
        self, consumer: Any, topics: List[str], ctx: Context, closing: threading.Event
    ) -> None:
        from kafka import TopicPartition

        self._state = ctx.state
        mine: List[Any] = []
        for topic in topics:
            partitions = consumer.partitions_for_topic(topic)
            while not partitions and not closing.wait(1.0):  # a topic that is not there yet
                consumer.topics()
                partitions = consumer.partitions_for_topic(topic)
            mine.extend(
                TopicPartition(topic, partition)
                for partition in sorted(partitions or ())
                if partition % ctx.get_parallelism() == ctx.get_instance_id()
            )
        consumer.unsubscribe()
        self.empty = not mine
        if self.empty:
            return
        consumer.assign(mine)
        for partition in mine:
            key = self._key(*partition)
            if key in self._state:
                consumer.seek(partition, self._state[key])
            else:
                self._state[key] = consumer.position(partition)
                self._pin(consumer, partition, self._state[key])

    @staticmethod
    def _pin(consumer: Any, partition: Any, offset: int) -> None:
        """Fix the start in the group, for a restart before the first checkpoint."""
        if consumer.config.get("group_id") is None or consumer.committed(partition) is not None:
            return
        from kafka.structs import OffsetAndMetadata

        fields = {"offset": offset, "metadata": "", "leader_epoch": -1}
        known = OffsetAndMetadata._fields
        consumer.commit({partition: OffsetAndMetadata(*(fields[name] for name in known))})

    @staticmethod
    def _key(topic: str, partition: int) -> str:
        return f"{topic}/{partition}"

    def passed(self, raw: Any) -> None:
        """The record ``raw`` of Kafka was emitted."""
        self._state[self._key(raw.topic, raw.partition)] = raw.offset + 1
