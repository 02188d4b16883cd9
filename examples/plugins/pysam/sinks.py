import json

from ekuiper import Sink


class PrintSink(Sink):
    """Writes what it receives to eKuiper's log."""

    def configure(self, conf):
        self.prefix = conf.get("prefix", "received")

    def open(self, ctx):
        pass

    def collect(self, ctx, data):
        print(self.prefix, data.decode(), file=ctx.get_logger())

    def close(self, ctx):
        pass


class FileSink(Sink):
    """Appends what it receives to a file, a line each."""

    def configure(self, conf):
        self.path = conf["path"]
        self.file = None

    def open(self, ctx):
        self.file = open(self.path, "a")  # noqa: PTH123, SIM115

    def collect(self, ctx, data):
        received = json.loads(data)
        for record in received if isinstance(received, list) else [received]:
            self.file.write(json.dumps(record) + "\n")
        self.file.flush()
        ctx.ack_ok()

    def close(self, ctx):
        if self.file is not None:
            self.file.close()
