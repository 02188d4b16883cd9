import time

from ekuiper import Source


class PyJson(Source):
    """Emits numbered readings, as many a second as it is told."""

    def __init__(self):
        self.sensor = ""
        self.interval = 0.1
        self.running = True

    def configure(self, datasource, conf):
        self.sensor = datasource
        self.interval = conf.get("interval", 100) / 1000.0

    def open(self, ctx):
        print("opened", self.sensor, file=ctx.get_logger())
        number = 0
        while self.running:
            ctx.emit({"name": self.sensor, "value": number}, {"instance": ctx.get_instance_id()})
            number += 1
            time.sleep(self.interval)

    def close(self, ctx):
        self.running = False
