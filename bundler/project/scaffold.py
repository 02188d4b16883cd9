"""A new project: bundle.toml, a requirements file and a job that runs as it is."""

from __future__ import annotations

from pathlib import Path

from bundler.errors import UsageError
from bundler.project.tables import FILE_NAME
from bundler.support.files import whole_file
from bundler.target import Target

_BUNDLE = """\
[target]
flink = "{target.flink}"
python = "{target.python}"
platform = "{target.platform}"

[venv]
base = "auto"

[deps]
requirements = ["requirements.txt"]

# [data.models]
# paths = ["models"]

# [jars]
# files = ["connector.jar"]

[job]
script = "job.py"
parallelism = 1
"""

_REQUIREMENTS = """\
# What the job imports beside PyFlink, one requirement a line.
humanize
"""

_JOB = '''\
"""Says sizes as people do; replace it with your own job."""

import sys

from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf


@udf(result_type=DataTypes.STRING())
def spoken(size):
    import humanize

    return f"{size} bytes are {humanize.naturalsize(size)} ({sys.executable})"


table_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
table_env.create_temporary_function("spoken", spoken)
table_env.execute_sql("CREATE TABLE printed (line STRING) WITH ('connector' = 'print')")
table_env.execute_sql(
    "INSERT INTO printed SELECT spoken(size) FROM (VALUES (1000), (2500000)) AS sizes (size)"
)
'''


def begin(folder: Path, target: Target) -> list[Path]:
    """Write the files of a new project into ``folder``; the paths written.

    Raises UsageError, and writes nothing, if one of them exists.
    """
    files = {
        folder / FILE_NAME: _BUNDLE.format(target=target),
        folder / "requirements.txt": _REQUIREMENTS,
        folder / "job.py": _JOB,
    }
    present = [path for path in files if path.exists()]
    if present:
        raise UsageError(
            f"{present[0]} exists.",
            "`bundle init` writes nothing over what is there.",
            "Choose another folder.",
        )
    for path, text in files.items():
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return list(files)
