"""Where a command ends that nobody foresaw: no traceback, no secret, no control character."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from bundler.cli.report import Report, visible
from bundler.errors import EXIT_CODES, BundlerError, JobError
from tests.support.errors_page import PAGE, errors_page

BUNDLE = Path(sys.executable).parent / "bundle"
SECRET = "hunter2-hunter2"
# As in the installed script, but with a fault put in first.
FAULTY = "import sys, bundler\n{fault}\nfrom bundler.__main__ import main\nmain()\n"
RAISES = "def build_data(*words, **options):\n    {error}\nbundler.build_data = build_data"


@pytest.fixture
def cache(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    clean_environment.setenv("BUNDLE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "words.txt").write_text("one two")
    return tmp_path / "cache"


def faulty(
    cache: Path, error: str, *words: str, fault: str = RAISES
) -> subprocess.CompletedProcess[str]:
    code = FAULTY.format(fault=fault.format(error=error))
    return subprocess.run(
        [sys.executable, "-c", code, "data", "words.txt", *words],
        cwd=cache.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )


def reports(cache: Path) -> list[Path]:
    return sorted((cache / "reports").glob("*"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (f"raise KeyError('http://u:{SECRET}@h/')", "Unexpected KeyError: 'http://u:****@h/'."),
        ("return build_data()", "Unexpected RecursionError: maximum recursion depth exceeded"),
        ("raise MemoryError", "Unexpected MemoryError."),
        ("raise AttributeError('a\\nb\\x1b[31m')", "Unexpected AttributeError: a b\\x1b[31m."),
        ("return [0] * sys.maxsize", "Unexpected MemoryError."),
    ],
)
def test_what_nobody_foresaw_is_saved_for_an_issue(cache: Path, error: str, said: str) -> None:
    finished = faulty(cache, error)
    assert finished.returncode == 70, finished.stderr
    first, second = finished.stderr.splitlines()
    assert first.startswith(f"error: {said}")
    [report] = reports(cache)
    assert second == f"Report it as an issue, with the file {report}"
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text()
    assert "Traceback" in text
    assert "bundle data words.txt" in text
    assert SECRET not in finished.stderr + text
    assert "\x1b" not in text


def test_the_same_as_json(cache: Path) -> None:
    finished = faulty(cache, "raise KeyError('x')", "--json")
    assert (finished.returncode, finished.stderr) == (70, "")
    error = json.loads(finished.stdout)["error"]
    assert error["kind"] == "InternalError"
    assert str(reports(cache)[0]) in error["remedy"]


def test_words_that_may_be_secrets_are_not_in_the_report(cache: Path) -> None:
    fault = "import bundler\ndef load_project(*words, **options): raise KeyError\n"
    code = FAULTY.format(fault=f"{fault}bundler.load_project = load_project")
    words = ["config", "-D", f"s3.secret-key={SECRET}", f"--archives-at=http://u:{SECRET}@h/"]
    subprocess.run(
        [sys.executable, "-c", code, *words, "--", f"--password={SECRET}", SECRET],
        capture_output=True,
        timeout=120,
    )
    [report] = reports(cache)
    text = report.read_text()
    assert SECRET not in text
    assert "bundle config -D 's3.secret-key=****' '--archives-at=****' -- (2 arguments)" in text


def test_a_report_goes_elsewhere_if_the_cache_cannot_be_written(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("not a folder")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    finished = faulty(cache, "raise KeyError('x')")
    assert finished.returncode == 70
    assert str(next(tmp_path.glob("bundle-*.txt"))) in finished.stderr


def test_twenty_reports_are_kept(cache: Path) -> None:
    (cache / "reports").mkdir(parents=True)
    for number in range(30):
        (cache / "reports" / f"bundle-20200101-0000{number:02}-1.txt").write_text("old")
    faulty(cache, "raise KeyError('x')")
    assert len(reports(cache)) == 20
    assert "KeyError" in reports(cache)[-1].read_text()


@pytest.mark.parametrize(
    ("module", "content", "code", "said"),
    [
        ("typer", "raise KeyboardInterrupt", 130, ""),
        ("typer", "raise ImportError('half an\\ninstallation')", 70, "half an installation"),
        ("typer", "syntax error", 70, "SyntaxError"),
        ("pydantic", "raise ImportError('half')", 70, "Unexpected ImportError: half."),
        ("bundler_plugins_that_nobody_loads", "raise MemoryError", 2, "no bundle.toml"),
    ],
)
def test_an_installation_with_a_broken_module(
    cache: Path, module: str, content: str, code: int, said: str
) -> None:
    broken = cache.parent / "broken"
    broken.mkdir()
    (broken / f"{module}.py").write_text(content)
    finished = subprocess.run(
        [BUNDLE, "build"],
        env={**os.environ, "PYTHONPATH": str(broken)},
        cwd=cache.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == code, finished.stderr
    assert "Traceback" not in finished.stderr
    assert said in finished.stderr
    assert len(finished.stderr.splitlines()) <= 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 1),  # typer's own code for it
        (["image", "list", "--json"], 141),
        (["plugin", "list"], 141),
    ],
)
def test_a_closed_pipe_ends_quietly(cache: Path, words: list[str], code: int) -> None:
    process = subprocess.Popen(
        [BUNDLE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cache.parent
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(120) == code


def test_words_that_are_wrong_are_told_as_json_too(cache: Path) -> None:
    words = [BUNDLE, "config", "--format", "x\x1b[31ml", "--json"]
    finished = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert (finished.returncode, finished.stderr) == (2, "")
    assert "--format" in json.loads(finished.stdout)["error"]["found"]
    finished = subprocess.run(words[:-1], capture_output=True, text=True, timeout=120)
    assert finished.returncode == 2
    assert "x\\x1b[31ml" in finished.stderr
    assert "\x1b" not in finished.stderr


def test_every_exit_code_has_words() -> None:
    kinds = [BundlerError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    ours = {kind.exit_code for kind in kinds if kind.__module__ == "bundler.errors"}
    assert ours - {BundlerError.exit_code} <= set(EXIT_CODES)


def test_the_page_of_errors_is_made_from_them() -> None:
    assert PAGE.read_text(encoding="utf-8") == errors_page(), "run `make docs/reference/errors.md`"


NASTY = "a\x1b]0;title\x07b\rc\u202ed\u2066e\u2028f\udce9g\x9bh"
SHOWN = "a\\x1b]0;title\\x07b\\rc\\u202ed\\u2066e\\u2028f\\udce9g\\x9bh"


def test_control_characters_are_escaped_wherever_something_is_printed() -> None:
    assert visible(NASTY) == SHOWN
    assert visible("größe\t数\n🐍") == "größe\t数\n🐍"
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        report = Report()
        report.result({}, NASTY)
        report.table({}, ["name"], [[NASTY + "\nsecond row"]])
        report.error(JobError(NASTY, NASTY, NASTY))
        for progress in (report.progress(), Report(json=True).progress()):
            progress.warn(NASTY)
            progress.note(NASTY)
            progress.output(NASTY)
    text = out.getvalue() + err.getvalue()
    assert text.count(SHOWN) == 10
    assert not set(text) & {"\x1b", "\r", "\x07", "\u202e", "\u2066", "\u2028", "\udce9", "\x9b"}
    assert "second row" in out.getvalue().splitlines()[2]
    out = io.StringIO()
    with redirect_stdout(out):
        Report(json=True).result({"name": NASTY})
    assert out.getvalue().isascii()
    assert json.loads(out.getvalue())["name"] == NASTY


def test_a_terminal_gets_the_same(cache: Path) -> None:
    """On a real terminal bars are drawn, whose texts are escaped and are not rich's markup."""
    code = (
        "import sys, time\n"
        "from bundler.cli.report import Report\n"
        "progress = Report().progress()\n"
        f"with progress.task({NASTY!r} + '[bold]x[/bold]') as task:\n"
        "    time.sleep(0.3)\n"
        f"    task.describe({NASTY!r} + '[red]y')\n"
        "    time.sleep(0.3)\n"
        f"    progress.note({NASTY!r} + '[blue]z')\n"
        f"    progress.output({NASTY!r})\n"
    )
    main, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "COLUMNS": "200", "TERM": "xterm"},
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            block = os.read(main, 4096)
        except OSError:
            break
        if not block:
            break
        shown += block
    assert process.wait(60) == 0
    os.close(main)
    text = shown.decode()
    for end in ("[bold]x[/bold]", "[red]y", "[blue]z"):
        assert SHOWN + end in text
    assert not {"\x07", "\u202e", "\u2028"} & set(text)
    assert "\x1b]0;" not in text


@pytest.mark.parametrize("ignored", [False, True], ids=["terminal closed", "nohup"])
def test_a_closed_terminal_ends_a_command_unless_it_is_told_to_stay(
    cache: Path, ignored: bool
) -> None:
    fault = RAISES.format(error="open('begun', 'w').close(); import time; time.sleep(3)")
    code = FAULTY.format(fault=fault)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", code, "data", "words.txt"],
            cwd=cache.parent,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    deadline = time.monotonic() + 60
    while not (cache.parent / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    _, said = process.communicate(timeout=60)
    if ignored:  # it goes on to the end, where what it returned is not an archive
        assert process.returncode == 70
    else:
        assert (process.returncode, said) == (129, b"")
