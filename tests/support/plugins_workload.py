"""Plugins whose behaviour the tests choose; shipped to the workers with ``--py-file``."""

import contextlib
import json
import queue
import threading
import time
from pathlib import Path

from flink_plugins.api import Function, Sink, Source


def note(path, text):
    with Path(path).open("a") as file:
        file.write(text + "\n")


class Numbers(Source):
    """Counts from the offset in its state; each instance for itself."""

    def configure(self, datasource, conf):
        self.rate = conf.get("rate", 200)
        self.until = conf.get("until", 1 << 40)
        self.trace = conf.get("trace")
        self.open_flag = True

    def open(self, ctx):
        number = ctx.state.get("next", 0)
        if self.trace:
            note(self.trace, f"opened {ctx.get_instance_id()}/{ctx.get_parallelism()} at {number}")
        start, first = time.monotonic(), number
        while self.open_flag and number < self.until:
            due = first + (time.monotonic() - start) * self.rate
            while number < min(due, self.until):
                ctx.emit({"instance": ctx.get_instance_id(), "number": number}, {})
                number += 1
                ctx.state["next"] = number
            ctx.metrics.gauge("position", number)
            time.sleep(0.005)
        while self.open_flag:
            time.sleep(0.05)

    def close(self, ctx):
        self.open_flag = False
        if self.trace:
            note(self.trace, f"closed {ctx.get_instance_id()}")


class Deaf(Source):
    """Ignores close."""

    def configure(self, datasource, conf):
        pass

    def open(self, ctx):
        while True:
            with contextlib.suppress(Exception):
                ctx.emit({"instance": 0, "number": 1}, {})
            time.sleep(0.1)

    def close(self, ctx):
        time.sleep(3600)


class BrokenSource(Source):
    """Raises in open, as often as it is told, then emits; raises in close too."""

    attempts = 0

    def configure(self, datasource, conf):
        self.failures = conf.get("failures", 1 << 30)
        self.open_flag = True

    def open(self, ctx):
        type(self).attempts += 1
        if type(self).attempts <= self.failures:
            raise ConnectionError(f"no broker, attempt {type(self).attempts}")
        number = 0
        while self.open_flag:
            ctx.emit({"instance": 0, "number": number}, {})
            number += 1
            time.sleep(0.01)

    def close(self, ctx):
        self.open_flag = False
        raise RuntimeError("close went wrong")


class LinesSink(Sink):
    """Appends "instance number" lines; safe when collect returns. May refuse some numbers."""

    def configure(self, conf):
        self.path = conf["path"]
        self.refuse = conf.get("refuse")

    def open(self, ctx):
        self.file = Path(self.path).open("a")  # noqa: SIM115

    def collect(self, ctx, data):
        if data["number"] == self.refuse:
            raise ValueError(f"number {self.refuse} is poison")
        self.file.write(f"{data['instance']} {data['number']}\n")
        self.file.flush()

    def close(self, ctx):
        self.file.close()


class BrokenSink(LinesSink):
    """Raises in open."""

    def open(self, ctx):
        raise ConnectionError("no broker for the sink")


class DeafSink(LinesSink):
    """Ignores close."""

    def close(self, ctx):
        time.sleep(3600)


class SlowLinesSink(LinesSink):
    """The same, but each record is written, and acknowledged, a while after collect returned."""

    acknowledges = True

    def configure(self, conf):
        super().configure(conf)
        self.delay = conf.get("delay", 0.2)

    def open(self, ctx):
        super().open(ctx)
        self.waiting = queue.Queue()
        threading.Thread(target=self._write, args=(ctx,), daemon=True).start()

    def collect(self, ctx, data):
        self.waiting.put((time.monotonic() + self.delay, data))

    def _write(self, ctx):
        while True:
            due, data = self.waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            super().collect(ctx, data)
            ctx.ack_ok()


class Halve(Function):
    """Half of an even number; raises for others."""

    result_type = "BIGINT"

    def validate(self, args):
        return "" if len(args) == 1 else "halve takes one number"

    def exec(self, args, ctx):
        if args[0] % 2:
            raise ValueError(f"{args[0]} is odd")
        return args[0] // 2

    def is_aggregate(self):
        return False


class Triple(Function):
    """Three times a number."""

    result_type = "BIGINT"

    def validate(self, args):
        return "" if len(args) == 1 else "triple takes one number"

    def exec(self, args, ctx):
        return args[0] * 3

    def is_aggregate(self):
        return False


class Spread(Function):
    """The least and the greatest number of a group."""

    result_type = "ARRAY<BIGINT>"

    def validate(self, args):
        return "" if len(args) == 1 else "spread takes one number"

    def exec(self, args, ctx):
        return [min(args[0]), max(args[0])]

    def is_aggregate(self):
        return True


class JsonSink(Sink):
    """Appends a line of JSON for each record."""

    def configure(self, conf):
        self.path = conf["path"]

    def open(self, ctx):
        self.file = Path(self.path).open("a")  # noqa: SIM115

    def collect(self, ctx, data):
        self.file.write(json.dumps(data) + "\n")
        self.file.flush()

    def close(self, ctx):
        self.file.close()
