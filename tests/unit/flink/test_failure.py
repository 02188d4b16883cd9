from __future__ import annotations

from bundler.flink.failure import driver_output, java_cause, job_error, python_traceback

TASK = """\
java.util.concurrent.ExecutionException: java.lang.RuntimeException: Error received from SDK \
harness for instruction 1: Traceback (most recent call last):
  File "pyflink/fn_execution/beam/beam_operations_fast.pyx", line 176, in process
  File "/tmp/job-code/job.py", line 4, in divide
    return 1 / number
           ~~^~~~~~~~
ZeroDivisionError: division by zero

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/tmp/job-code/job.py", line 6, in divide
    raise ValueError(number)
ValueError: 0

\tat java.base/java.util.concurrent.CompletableFuture.reportGet(CompletableFuture.java:396)
\t... 7 more
Caused by: java.lang.RuntimeException: Error received from SDK harness for instruction 1: \
Traceback (most recent call last):
  File "/tmp/job-code/job.py", line 4, in divide
ZeroDivisionError: division by zero

\tat org.apache.beam.runners.fnexecution.control.FnApiControlClient.onNext(FnApiControlClient.java)
"""

LOG = """\
2026-01-01 08:00:01,000 INFO  org.apache.flink.client.python.PythonDriver                 [] - \
--------------------------- Python Process Started --------------------------
2026-01-01 08:00:02,000 INFO  org.apache.flink.client.python.PythonDriver                 [] - old
2026-01-01 08:00:03,000 INFO  org.apache.flink.client.python.PythonDriver                 [] - \
--------------------------- Python Process Started --------------------------
2026-01-01 08:00:04,000 INFO  org.apache.flink.client.python.PythonDriver                 [] - new
2026-01-01 08:00:04,000 INFO  org.apache.flink.runtime.other.Class                        [] - noise
2026-01-01 08:00:05,000 INFO  org.apache.flink.client.python.PythonDriver                 [] -   2
2026-01-01 08:00:05,000 INFO  org.apache.flink.client.python.PythonDriver                 [] - \
--------------------------- Python Process Exited ---------------------------
2026-01-01 08:00:06,000 ERROR org.apache.flink.client.python.PythonDriver                 [] - \
Run python process failed
"""


def test_the_traceback_ends_where_java_goes_on_and_keeps_its_chain():
    traceback = python_traceback(TASK)

    assert traceback.startswith("Traceback (most recent call last):\n  File")
    assert "ZeroDivisionError: division by zero\n\nDuring handling" in traceback
    assert traceback.endswith("ValueError: 0")


def test_the_innermost_java_cause_without_the_python_in_it():
    assert java_cause(TASK) == (
        "java.lang.RuntimeException: Error received from SDK harness for instruction 1:"
    )
    assert (
        java_cause("java.io.IOException: disk\n\tat x.Y.z(Y.java)") == "java.io.IOException: disk"
    )
    assert java_cause("") == ""


def test_python_comes_first_in_the_error():
    error = job_error("Job 1 failed", TASK, "Mend it.")

    assert error.found == python_traceback(TASK)
    assert error.expected.startswith("Job 1 failed. In Java: java.lang.RuntimeException")
    assert error.remedy == "Mend it."


def test_without_python_the_cause_is_told():
    error = job_error("Job 1 failed", "a.B: outer\nCaused by: c.D: no slot\n\tat e.F(G.java:1)")

    assert str(error) == "Job 1 failed.\nc.D: no slot"


def test_only_the_last_main_is_heard():
    assert driver_output(LOG) == "new\n  2"


def test_text_without_an_end_is_shortened():
    text = "Traceback (most recent call last):\n" + "  x\n" * 1_000_000 + "ValueError: the end"

    told = str(job_error("Job 1 failed", text))

    assert len(told) < 100_000
    assert "characters left out]" in told and "ValueError: the end" in told


def test_a_log_of_one_long_line_is_read_in_no_time():
    name = "org.apache.flink.client.python.PythonDriver "
    assert driver_output(name * 6_000 + "\n" + LOG) == driver_output(LOG)


def test_a_wrong_pipeline_is_its_own_words():
    text = (
        f"a.B: main() failed\n{TASK}\nflink_plugins: error: p.yaml: sources.x: 'plugin' is missing."
    )
    error = job_error("main() of flink_plugins failed", text)
    assert error.found == "p.yaml: sources.x: 'plugin' is missing."
    assert error.expected == "main() of flink_plugins failed."
