"""One job, two ways to Kafka: SINETStream's plugin, and Flink's own connector out of its JAR."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import textwrap
import uuid

import pytest
from plugins_support import eventually

pytestmark = [pytest.mark.flink, pytest.mark.network, pytest.mark.broker]

BROKER = "org.apache.kafka:kafka_2.13:3.9.1"
CONNECTOR = "org.apache.flink:flink-sql-connector-kafka:4.0.1-2.0"
POM = """\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>test</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{version}</version>
    </dependency>
  </dependencies>
</project>
"""
SERVICES = """\
header: {{version: 3}}
config:
  middle:
    type: kafka
    brokers: "{brokers}"
    topic: middle
    consistency: AT_LEAST_ONCE
    value_type: text
  middle-read:
    type: kafka
    brokers: "{brokers}"
    topic: middle
    consistency: AT_LEAST_ONCE
    value_type: text
    type_spec: {{group_id: job, auto_offset_reset: earliest}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def maven(*arguments):
    subprocess.run(["mvn", "-q", "-B", *map(str, arguments)], check=True, timeout=300)


class Kafka:
    """A broker that is its own controller, and is made to forget nothing."""

    def __init__(self, folder, libraries):
        self.folder = folder
        self.libraries = libraries
        self.port, controller = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        (folder / "server.properties").write_text(
            textwrap.dedent(f"""\
            process.roles=broker,controller
            node.id=1
            controller.quorum.voters=1@127.0.0.1:{controller}
            listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}
            controller.listener.names=CONTROLLER
            log.dirs={folder}/data
            num.partitions=2
            offsets.topic.replication.factor=1
            transaction.state.log.replication.factor=1
            transaction.state.log.min.isr=1
            group.initial.rebalance.delay.ms=0
            """)
        )
        identifier = uuid.uuid4().hex[:22]
        self.java("kafka.tools.StorageTool", "format", "-t", identifier, "-c").wait(60)
        self.process = self.java("kafka.Kafka")

    def java(self, main, *arguments):
        with (self.folder / "kafka.log").open("ab") as log:
            return subprocess.Popen(
                ["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", f"{self.libraries}/*", main,
                 *arguments, str(self.folder / "server.properties")],
                stdout=log, stderr=log, cwd=self.folder,
            )  # fmt: skip

    def reachable(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def broker(tmp_path, tmp_path_factory):
    if not (shutil.which("mvn") and shutil.which("java")):
        if os.environ.get("CI"):
            pytest.fail("the broker needs mvn and java: apt-get install maven default-jre-headless")
        pytest.skip("mvn or java is not installed")
    libraries = tmp_path / "libs"
    (tmp_path / "pom.xml").write_text(POM.format(version=BROKER.rpartition(":")[2]))
    maven("-f", tmp_path / "pom.xml", "dependency:copy-dependencies",
          f"-DoutputDirectory={libraries}")  # fmt: skip
    maven("-f", tmp_path / "pom.xml", "dependency:copy", f"-Dartifact={CONNECTOR}",
          f"-DoutputDirectory={tmp_path}")  # fmt: skip
    kafka = Kafka(tmp_path, libraries)
    try:
        eventually(kafka.reachable, 60, "kafka listens")
        yield kafka
    finally:
        kafka.stop()


def test_flinks_connector_and_sinetstreams_plugin_pass_messages_on_over_a_kill(flink, broker):
    from kafka import KafkaConsumer, KafkaProducer

    jar = next(broker.folder.glob("flink-sql-connector-kafka-*.jar"))
    service = broker.folder / "sinet.yml"
    service.write_text(SERVICES.format(brokers=broker.address))
    options = {"topic": "in", "properties.bootstrap.servers": broker.address, "format": "json"}
    producer = KafkaProducer(
        bootstrap_servers=broker.address, value_serializer=lambda v: json.dumps(v).encode()
    )
    for number in range(500):
        producer.send("in", {"n": number})
    producer.flush()

    conf = {"config_file": "data.zip/job/sinet.yml"}
    job = flink.run(
        {
            "name": "kafka",
            "checkpoint": {"interval": "500 ms"},
            "sources": {
                "read": {
                    "connector": "kafka",
                    "schema": {"n": "BIGINT"},
                    "options": {**options, "scan.startup.mode": "earliest-offset"},
                },
                "back": {
                    "plugin": "sinetstream",
                    "conf": {**conf, "service": "middle-read"},
                    "schema": {"value": "STRING"},
                },
            },
            "steps": {
                "texts": {"sql": "SELECT CAST(n AS STRING) AS `value` FROM `read`"},
                "again": {"sql": "SELECT CAST(`value` AS BIGINT) AS n FROM back"},
            },
            "sinks": {
                "middle": {
                    "plugin": "sinetstream",
                    "from": "texts",
                    "conf": {**conf, "service": "middle"},
                },
                "written": {
                    "connector": "kafka",
                    "from": "again",
                    "options": {**options, "topic": "out"},
                },
            },
        },
        files={"sinet.yml": service},
        jars=(jar,),
    )
    consumer = KafkaConsumer(
        "out", bootstrap_servers=broker.address, auto_offset_reset="earliest", group_id=None
    )
    arrived = set()

    def all_of(count):
        for records in consumer.poll(500).values():
            arrived.update(json.loads(record.value)["n"] for record in records)
        return arrived >= set(range(count))

    eventually(lambda: all_of(500), 90, "500 messages through both")
    job.await_checkpoint()
    assert job.kill_workers() >= 1
    for number in range(500, 1000):
        producer.send("in", {"n": number})
    producer.flush()
    eventually(lambda: all_of(1000), 90, "1000 messages after the kill")
    consumer.close()
    producer.close()
    assert job.cancel() < 15
