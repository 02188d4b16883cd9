"""SINETStream over a real Mosquitto: plain programs on one side, a job on the other."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time

import pytest
import sinetstream
from paho.mqtt import publish

from tests.support.plugins_support import ENDED, eventually, lines

pytestmark = [pytest.mark.flink, pytest.mark.network, pytest.mark.broker]

SERVICES = """\
header: {{version: 3}}
config:
  {name}:
    type: mqtt
    brokers: "127.0.0.1:{port}"
    topic: {name}
    consistency: AT_LEAST_ONCE
    value_type: text
    data_compression: true
    data_encryption: true
    crypto:
      algorithm: AES
      key_length: 128
      mode: EAX
      password: not a secret
      key_derivation: {{algorithm: pbkdf2}}
"""


class Mosquitto:
    """A broker on a port of its own that can be stopped and started."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
            f"persistence true\npersistence_location {folder}/\nuser root\n"
        )
        self.process = None

    def start(self):
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "-c", self.folder / "mosquitto.conf"], stdout=log, stderr=log
            )
        eventually(self.reachable, 10, "mosquitto listens")

    def reachable(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def service(self, name):
        """A configuration file of SINETStream with the service, and topic, ``name``."""
        path = self.folder / f"{name}.yml"
        path.write_text(SERVICES.format(name=name, port=self.port))
        return path


@pytest.fixture
def broker(tmp_path):
    if not shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin"):
        if os.environ.get("CI"):
            pytest.fail("mosquitto is not installed: apt-get install mosquitto")
        pytest.skip("mosquitto is not installed")
    mosquitto = Mosquitto(tmp_path)
    yield mosquitto
    mosquitto.stop()


def shouting(source, sink):
    return {
        "name": "mqtt",
        "checkpoint": {"interval": "500 ms"},
        "sources": {
            "said": {
                "plugin": "sinetstream",
                "conf": {"service": "heard", "config_file": source},
                "schema": {"value": "STRING", "topic": "STRING", "timestamp": "BIGINT"},
            }
        },
        "steps": {"loud": {"sql": "SELECT UPPER(`value`) AS `value` FROM said"}},
        "sinks": {
            "shouted": {
                "plugin": "sinetstream",
                "from": "loud",
                "conf": {"service": "shouted", "config_file": sink},
            }
        },
    }


def test_messages_of_plain_programs_pass_through_a_job_and_outlive_a_broker_restart(flink, broker):
    files = {name: broker.service(name.split(".")[0]) for name in ("heard.yml", "shouted.yml")}
    # The broker is down at start: the source fails the job, and Flink starts it again.
    job = flink.run(
        shouting("data.zip/job/heard.yml", "data.zip/job/shouted.yml"),
        files=files,
        settings={
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": "1000",
            "restart-strategy.fixed-delay.delay": "1 s",
        },
        running=False,
    )
    eventually(lambda: "ConnectionError" in job.failures(), 60, "the missing broker is told")
    broker.start()
    job.await_running()

    heard = str(files["heard.yml"])
    with sinetstream.MessageReader(
        "shouted", config_file=str(files["shouted.yml"]), receive_timeout_ms=500
    ) as reader:
        answers = set()

        def answered(question):
            with sinetstream.MessageWriter("heard", config_file=heard) as writer:
                writer.publish(question)
            answers.update(message.value for message in reader)
            return question.upper() in answers

        eventually(lambda: answered("is anybody there"), 60, "the first answer")
        with sinetstream.MessageWriter("heard", config_file=heard) as writer:
            for number in range(200):
                writer.publish(f"number {number}")
        wanted = {f"NUMBER {number}" for number in range(200)}

        def all_answered():
            answers.update(message.value for message in reader)
            return wanted <= answers

        eventually(all_answered, 30, "all answers")

    broker.stop()
    time.sleep(2)
    broker.start()
    with sinetstream.MessageReader(
        "shouted", config_file=str(files["shouted.yml"]), receive_timeout_ms=500
    ) as reader:

        def after(question="after the restart"):
            with sinetstream.MessageWriter("heard", config_file=heard) as writer:
                writer.publish(question)
            return question.upper() in {message.value for message in reader}

        eventually(after, 60, "an answer after the restart of the broker")
    job.cancel()


def copying(path, on_error):
    return {
        "name": on_error,
        "checkpoint": {"interval": "500 ms"},
        "sources": {
            "said": {
                "plugin": "sinetstream",
                "conf": {"service": "heard", "config_file": "data.zip/job/heard.yml"},
                "schema": {"value": "STRING"},
                "on_error": on_error,
            }
        },
        "sinks": {
            "kept": {
                "plugin": "plugins_workload:JsonSink",
                "from": "said",
                "conf": {"path": str(path / on_error)},
            }
        },
    }


def test_a_message_that_does_not_decode_fails_the_job_or_is_left_out(flink, broker, tmp_path):
    broker.start()
    files = {"heard.yml": broker.service("heard")}
    settings = {"restart-strategy.type": "none"}
    logging, failing = (
        flink.run(copying(tmp_path, on_error), files=files, settings=settings)
        for on_error in ("log", "fail")
    )

    def kept(on_error, text):
        with sinetstream.MessageWriter("heard", config_file=str(files["heard.yml"])) as writer:
            writer.publish(text)
        return {"value": text} in [json.loads(line) for line in lines(tmp_path / on_error)]

    eventually(lambda: kept("log", "before") and kept("fail", "before"), 60, "both listen")
    publish.single("heard", b"in no format of SINETStream", qos=1, port=broker.port)
    eventually(lambda: failing.state in ENDED, 60, "the job under fail ends")
    assert failing.state == "FAILED"
    assert "source said: a message of topic 'heard' does not decode" in failing.failures()

    eventually(lambda: kept("log", "after"), 60, "the job under log goes on")
    assert logging.state == "RUNNING"
    log = "".join(path.read_text() for path in flink.cluster.logs.glob("taskmanager*"))
    assert "source said: a message of topic 'heard' does not decode" in log
