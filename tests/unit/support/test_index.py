from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundler.errors import UsageError
from bundler.support.index import index_settings

pytestmark = pytest.mark.usefixtures("clean_environment")


def test_pip_variables_become_uv_flags(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    settings = index_settings(
        {
            "PIP_INDEX_URL": "https://main.example/simple",
            "PIP_EXTRA_INDEX_URL": "https://a.example/simple https://b.example/simple",
            "PIP_FIND_LINKS": "/wheels",
            "PIP_TRUSTED_HOST": "a.example",
            "PIP_CERT": str(bundle),
            "PIP_PROXY": "http://proxy.example:3128",
            "PIP_CONFIG_FILE": "/dev/null",
        }
    )
    assert settings.uv_arguments() == [
        "--default-index", "https://main.example/simple",
        "--index", "https://a.example/simple",
        "--index", "https://b.example/simple",
        "--find-links", "/wheels",
        "--allow-insecure-host", "a.example",
    ]  # fmt: skip
    assert settings.environment() == {
        "SSL_CERT_FILE": str(bundle),
        "HTTPS_PROXY": "http://proxy.example:3128",
        "HTTP_PROXY": "http://proxy.example:3128",
    }


def test_variables_win_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://file.example/simple\nno-index = true\n"
        "[install]\nfind-links =\n    /one\n    /two\n"
    )
    settings = index_settings(
        {"PIP_CONFIG_FILE": str(config), "PIP_INDEX_URL": "https://variable.example/simple"}
    )
    assert settings.index_url == "https://variable.example/simple"
    assert settings.find_links == ("/one", "/two")
    assert settings.no_index


def test_uv_settings_of_its_own_win() -> None:
    settings = index_settings(
        {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": "https://pip.example/simple",
            "UV_DEFAULT_INDEX": "https://uv.example/simple",
        }
    )
    assert settings.uv_arguments() == []


def test_credentials_of_index_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX", "private=https://me:p%40ss@uv.example/simple")
    settings = index_settings({"PIP_CONFIG_FILE": "/dev/null"})
    assert settings.credentials("uv.example") == ("me", "p@ss")
    assert settings.credentials("other.example") is None


def test_credentials_of_requirements_come_first() -> None:
    settings = index_settings(
        {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": "https://a:b@h.example/simple"}
    )
    assert settings.credentials("h.example") == ("a", "b")
    assert settings.credentials("h.example", ["https://c:d@h.example/x"]) == ("c", "d")


def test_underscores_in_the_configuration_file(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex_url = https://h.example/simple\n")
    settings = index_settings({"PIP_CONFIG_FILE": str(config)})
    assert settings.index_url == "https://h.example/simple"


def test_a_broken_configuration_file_is_named(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("index-url = no section\n")
    with pytest.raises(UsageError, match=r"pip\.conf could not be read") as caught:
        index_settings({"PIP_CONFIG_FILE": str(config)})
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PIP_INDEX_URL", "--config-file=/tmp/x"),
        ("PIP_INDEX_URL", "ftp://h.example/simple"),
        ("PIP_INDEX_URL", "https://h.example/\nsimple"),
        ("PIP_EXTRA_INDEX_URL", "https://h.example/simple -v"),
        ("PIP_FIND_LINKS", "https:///none"),
        ("PIP_TRUSTED_HOST", "--offline"),
    ],
)
def test_a_setting_cannot_become_an_option_of_another_tool(name: str, value: str) -> None:
    with pytest.raises(UsageError, match="is not"):
        index_settings({"PIP_CONFIG_FILE": "/dev/null", name: value})


def test_a_configuration_file_is_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pip.conf")
    with pytest.raises(UsageError, match="is a named pipe"):
        index_settings({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")})
