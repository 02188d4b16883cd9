"""One job, two ways to Kafka: SINETStream's plugin, and Flink's own connector out of its JAR."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import textwrap
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.plugins_support import ENDED, eventually, lines

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
  middle-again:
    type: kafka
    brokers: "{brokers}"
    topic: middle
    consistency: AT_LEAST_ONCE
    value_type: text
    type_spec: {{group_id: another, auto_offset_reset: earliest}}
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
        self.process = None
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

    def start(self):
        self.process = self.java("kafka.Kafka")
        eventually(self.reachable, 60, "kafka listens")


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
        kafka.start()
        yield kafka
    finally:
        if kafka.process is not None:
            kafka.stop()


def test_messages_pass_through_both_over_a_kill_a_poison_and_a_restart_of_the_broker(
    flink, broker, tmp_path
):
    from kafka import KafkaConsumer, KafkaProducer

    jar = next(broker.folder.glob("flink-sql-connector-kafka-*.jar"))
    service = broker.folder / "sinet.yml"
    service.write_text(SERVICES.format(brokers=broker.address))
    options = {"topic": "in", "properties.bootstrap.servers": broker.address, "format": "json"}
    producer = KafkaProducer(
        bootstrap_servers=broker.address, acks="all", retries=1000, retry_backoff_ms=200
    )

    def send(numbers, pause=0.0):
        for number in numbers:
            producer.send("in", json.dumps({"n": number}).encode())
            time.sleep(pause)
        producer.flush()

    send(range(500))
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
                    "on_error": "log",
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
    send(range(500, 1000))
    eventually(lambda: all_of(1000), 90, "1000 messages after the kill")

    producer.send("middle", b"no message of SINETStream").get(30)
    send(range(1000, 1100))
    eventually(lambda: all_of(1100), 60, "what follows the poison")
    log = "".join(path.read_text() for path in flink.cluster.logs.glob("taskmanager*"))
    assert "a message of topic 'middle' does not decode" in log

    with ThreadPoolExecutor() as pool:
        sending = pool.submit(send, range(1100, 1600), 0.005)
        eventually(lambda: all_of(1200), 60, "the stream is in flow")
        broker.stop()
        time.sleep(1)
        broker.start()
        sending.result(60)
    eventually(lambda: all_of(1600), 120, "all messages after the restart of the broker")

    # Under "fail" a stored message that does not decode stops the job at each attempt.
    other = flink.run(
        {
            "name": "poisoned",
            "checkpoint": {"interval": "500 ms"},
            "sources": {
                "back": {
                    "plugin": "sinetstream",
                    "conf": {**conf, "service": "middle-again"},
                    "schema": {"value": "STRING"},
                }
            },
            "sinks": {
                "out": {
                    "plugin": "plugins_workload:JsonSink",
                    "from": "back",
                    "conf": {"path": str(tmp_path / "before")},
                }
            },
        },
        files={"sinet.yml": service},
        settings={
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": "1",
            "restart-strategy.fixed-delay.delay": "0 s",
        },
        running=False,
    )
    eventually(lambda: other.state in ENDED, 90, "the job fails")
    assert other.state == "FAILED"
    assert other.failures().count("source back: a message of topic 'middle' does not decode") >= 2
    assert lines(tmp_path / "before")

    consumer.close()
    producer.close()
    job.cancel()
