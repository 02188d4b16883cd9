"""Flink's REST API at good and at bad servers: typed, bounded, and sent nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundler.errors import JobError, UsageError
from bundler.flink.answers import Dashboard, Started, job_path
from bundler.flink.follow import follow_job
from bundler.flink.rest import FlinkApi, RefusedError
from bundler.flink.rest_limits import RestLimits
from bundler.flink.submit import submit
from bundler.flink.values import JobBundle
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.support.progress import Task
from bundler.target import Target
from tests.support.bad_master import (
    JAR,
    JOB,
    bad_master,
    drips_body,
    drips_headers,
    drips_without_end,
    floods,
    redirects,
    sends,
    stalls,
)

CONFIG = ("GET", "/config")
OTHER = "f" * 32
UPLOAD = ("POST", "/jars/upload")
SHORT = RestLimits(seconds=0.5, rate=1 << 30)
# A server that never ends would keep a request for ever; on a busy machine all takes long.
LONG = 60.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "venv.zip"
    path.write_bytes(b"PK" * 1000)
    return path


def test_before_1_17_rest_alone_does_not_do():
    bundle = JobBundle(Target.parse(flink="1.16.3"), "python3")

    with pytest.raises(UsageError, match=r"1\.16\.3 cannot run a PyFlink job submitted over REST"):
        submit("host:8081", bundle, Session(Cache.default()))


def test_a_sound_master(file):
    with bad_master() as master, FlinkApi(master.address) as api:
        assert api.dashboard().version == "2.2.1"
        uploaded = api.upload(file, "venv.jar", Task())
        assert uploaded.filename == f"/up/{JAR.format('venv')}"
        started = api.post(f"{uploaded.path}/run", {}, Started, LONG)
        assert follow_job(api, started.job_id).state == "FINISHED"
        api.delete(uploaded.path)
        assert [method for method, _, _ in master.seen[-2:]] == ["GET", "DELETE"]


@pytest.mark.parametrize("bad", [stalls, drips_headers, drips_body, drips_without_end])
def test_a_server_that_stalls_or_drips_is_left(bad, file):
    with bad_master({CONFIG: bad, UPLOAD: bad}) as master, FlinkApi(master.url, SHORT) as api:
        with pytest.raises(JobError, match=r"did not answer GET /config within 0\.5 s"):
            api.dashboard()
        with pytest.raises(
            JobError, match=r"did not answer POST /jars/upload within 0\.5 s"
        ) as late:
            api.upload(file, "venv.jar", Task())
    assert "2,000 bytes" in late.value.expected
    assert "BUNDLE_REST_TIMEOUT" in late.value.remedy


def test_a_log_that_has_no_end_is_left():
    with (
        bad_master({("GET", "/jobmanager/log"): drips_without_end}) as master,
        FlinkApi(master.url, SHORT) as api,
    ):
        assert set(api.tail("/jobmanager/log")) == {" "}


def test_an_answer_that_has_no_end_is_left():
    with (
        bad_master({CONFIG: floods}) as master,
        FlinkApi(master.url, RestLimits(LONG)) as api,
        pytest.raises(JobError, match=r"answer to GET /config is larger than 16,777,216 bytes"),
    ):
        api.dashboard()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"<html>", "GET /config has no JSON object as its answer"),
        (b"\xff\xfe", "no JSON object"),
        (b"[" * 1_000_000, "no JSON object"),
        (b"[1]", "no JSON object"),
        (b"", "no JSON object"),
        ({}, "flink-version is missing"),
        ({"flink-version": 3}, "flink-version is 3 in the answer to GET /config"),
        ({"flink-version": "2.2\x1b[2J"}, r"flink-version is '2.2\\x1b[2J'"),
        ({"flink-version": "2.2.1", "features": [1]}, "features is [1]"),
        ({"flink-version": "2.2.1", "features": {"web-submit": "no"}}, "features.web-submit is"),
        ({"flink-version": "9" * 1_000_000}, "flink-version is '999"),
    ],
)
def test_what_is_no_answer_of_flink(answer, said):
    with (
        bad_master({CONFIG: sends(answer)}) as master,
        FlinkApi(master.address) as api,
        pytest.raises(JobError, match="is not a Flink master") as raised,
    ):
        api.dashboard()
    assert said.replace("\\\\", "\\") in raised.value.found
    assert len(str(raised.value)) < 500
    assert raised.value.found.isprintable()


@pytest.mark.parametrize(
    "given", ["../../config", "", JOB.upper(), f"{JOB}?x", f"{JOB}\n", "x" * 999]
)
def test_a_job_id_is_32_digits_before_it_is_in_a_path(given):
    with pytest.raises(UsageError, match="not the id of a Flink job"):
        job_path(given)
    with (
        bad_master({("POST", "/run"): sends({"jobid": given})}) as master,
        FlinkApi(master.url) as api,
        pytest.raises(JobError, match="jobid is '"),
    ):
        api.post("/run", {}, Started, LONG)


@pytest.mark.parametrize(
    "filename",
    [
        "",
        "venv.jar",
        f"/up/{JAR.format('venv')}/../x.jar",
        f"/up/{JAR.format('a,b')}",
        f"/u,p/{JAR.format('venv')}",
        f"/up/{JAR.format('a#b')}",
        f"/up/{JAR.format('venv')}\n",
        f"/up/{JAR.format('x' * 999)}",
    ],
)
def test_a_jar_id_has_its_shape_before_it_is_in_a_path_or_a_list(file, filename):
    with (
        bad_master({UPLOAD: sends({"filename": filename})}) as master,
        FlinkApi(master.url) as api,
        pytest.raises(JobError, match="filename is '"),
    ):
        api.upload(file, "venv.jar", Task())


def test_what_is_strange_in_a_name_is_quoted_in_the_path(file):
    name = f"/a b/{JAR.format('é ?%2F')}"
    with bad_master({UPLOAD: sends({"filename": name})}) as master, FlinkApi(master.url) as api:
        uploaded = api.upload(file, "venv.jar", Task())
    assert uploaded.filename == name
    assert uploaded.path == "/jars/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f_%C3%A9%20%3F%252F.jar"


def test_a_redirect_on_the_same_host_is_followed(file):
    answers = {
        CONFIG: redirects("/flink/config"),
        ("GET", "/flink/config"): sends({"flink-version": "2.2.1"}),
        ("POST", "/there"): sends({"filename": f"/up/{JAR.format('venv')}"}),
    }
    with bad_master(answers) as master, FlinkApi(f"http://me:secret77@{master.address}") as api:
        master.answers[UPLOAD] = redirects(f"{master.url}/there")
        assert api.dashboard().version == "2.2.1"
        assert api.upload(file, "venv.jar", Task()).filename == f"/up/{JAR.format('venv')}"
        assert {asked for _, _, asked in master.seen} == {"Basic bWU6c2VjcmV0Nzc="}


def test_another_host_gets_no_upload_no_run_and_no_credentials(file):
    with bad_master() as other, bad_master() as master:
        for key in (CONFIG, UPLOAD, ("POST", "/jars/x/run"), ("DELETE", "/jars/x")):
            master.answers[key] = redirects(f"{other.url}{key[1]}")
        with FlinkApi(master.url) as api:
            assert api.dashboard().version == "2.2.1"  # nothing is told by asking there
            with pytest.raises(JobError, match="to another host"):
                api.upload(file, "venv.jar", Task())
            with pytest.raises(JobError, match="to another host"):
                api.post("/jars/x/run", {"a": 1}, Started, LONG)
            with pytest.raises(JobError, match="to another host"):
                api.delete("/jars/x")
        with (
            FlinkApi(f"http://me:secret77@{master.address}") as api,
            pytest.raises(JobError, match="to another host") as refused,
        ):
            api.dashboard()
        assert other.seen == [("GET", "/config", "")]
    assert "secret77" not in str(refused.value)


@pytest.mark.parametrize(
    "location",
    ["/config", "ftp://h/", "http://[", "http:x", "http://" + "x" * 70, "\x00", "", "x" * 5000],
)
def test_redirects_that_lead_nowhere(location):
    with (
        bad_master({CONFIG: redirects(location)}) as master,
        FlinkApi(master.url) as api,
        pytest.raises(JobError),
    ):
        api.dashboard()
    assert len(master.seen) <= 5


def test_credentials_are_sent_and_shown_nowhere(file):
    answers = {
        ("GET", "/private"): sends({"errors": ["no: secret77, bWU6c2VjcmV0Nzc="]}, 401),
        ("GET", f"/jobs/{OTHER}"): sends({"state": "FAILED"}),
        ("GET", f"/jobs/{OTHER}/exceptions"): sends(
            {"exceptionHistory": {"entries": [{"stacktrace": "a.B: secret77"}]}}
        ),
        ("GET", "/broken"): sends(b"secret77"),
    }
    with bad_master(answers) as master, FlinkApi(f"me:secret77@{master.address}") as api:
        assert api.dashboard().version == "2.2.1"
        assert master.seen == [("GET", "/config", "Basic bWU6c2VjcmV0Nzc=")]
        assert api.url == master.url
        assert follow_job(api, JOB).master == master.url
        for path in ("/private", "/broken"):
            with pytest.raises(JobError) as refused:
                api.get(path, Dashboard)
            assert "secret77" not in str(refused.value)
            assert "bWU6c2VjcmV0Nzc" not in str(refused.value)
        with pytest.raises(JobError, match=r"failed") as failed:
            follow_job(api, OTHER)
        assert failed.value.expected == "a.B: ****"


def test_a_refusal_carries_what_flink_said():
    said = {"errors": ["Internal server error.", "java.lang.X: y\nCaused by: z: deep"]}
    with (
        bad_master(
            {CONFIG: sends(said, 500), ("GET", "/x"): sends(b"\xff" * 999_999, 502)}
        ) as master,
        FlinkApi(master.url) as api,
    ):
        with pytest.raises(RefusedError) as refused:
            api.get("/config", Dashboard)
        assert (refused.value.status, refused.value.expected) == (500, "z: deep")
        with pytest.raises(RefusedError) as refused:
            api.get("/x", Dashboard)
        assert len(str(refused.value)) < 1000


def test_only_a_regular_file_is_uploaded(tmp_path):
    with FlinkApi("127.0.0.1:1") as api, pytest.raises(UsageError, match="is a device"):
        api.upload(Path("/dev/zero"), "x.jar", Task())


def test_arguments_that_are_not_unicode_are_told_of():
    with FlinkApi("127.0.0.1:1") as api, pytest.raises(UsageError, match="is not Unicode text"):
        api.post("/run", {"programArgsList": ["caf\udce9"]}, Started, LONG)


@pytest.mark.parametrize("given", ["x", "0", "-1", "inf", "nan"])
def test_a_time_that_is_none(given):
    assert RestLimits.of_environment({"BUNDLE_REST_TIMEOUT": "2.5"}).seconds == 2.5
    assert RestLimits.of_environment({}) == RestLimits()
    with pytest.raises(UsageError, match=f"BUNDLE_REST_TIMEOUT is '{given}'"):
        RestLimits.of_environment({"BUNDLE_REST_TIMEOUT": given})
