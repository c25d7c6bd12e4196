"""What the process is told, and what it refuses to hear."""

import json
from pathlib import Path

import pytest

from core.base.errors import ConfigError
from core.base.settings import PROJECT_ROOT, Settings, is_loopback, load_settings, read_config

SECRETS = {"ADMIN_PASSWORD": "correct horse battery", "SECRET_KEY": "0123456789abcdef0123"}


def load(configs: Path, environ: dict[str, str] | None = None, **arguments: object) -> Settings:
    return load_settings(arguments, environ or {}, configs)


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings.host, settings.port, settings.market, settings.is_public) == ("127.0.0.1", 8050, "auto", False)
    assert settings.scanner.optimized_processor_batch_size == 50
    assert settings.ibkr_client_id == 33


def test_the_files_of_the_project_can_be_read() -> None:
    assert load(PROJECT_ROOT / "configs").stream.history_rows >= 1_500


def test_the_command_line_beats_the_environment_which_beats_the_defaults(tmp_path: Path) -> None:
    environ = {"PORT": "9001", "MARKET": "live", "DATA_DIR": "elsewhere"}
    assert load(tmp_path, environ).port == 9001
    settings = load(tmp_path, environ, port=9002, market=None)
    assert (settings.port, settings.market, settings.data_dir) == (9002, "live", Path("elsewhere"))


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    assert load(tmp_path, {"PORT": " ", "DATABASE_URL": ""}).database_url is None


def test_files_are_read_and_typed(tmp_path: Path) -> None:
    (tmp_path / "stream.json").write_text(json.dumps({"silence_s": 7, "freshness": {"late_s": 1.5}}))
    settings = load(tmp_path)
    assert (settings.stream.silence_s, settings.stream.freshness.late_s, settings.stream.freshness.stale_s) == (7, 1.5, 4)


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("stream.json", '{"silense_s": 7}', "silense_s"),
        ("stream.json", '{"freshness": {"lat_s": 7}}', "lat_s"),
        ("scanner.json", '{"optimized_procesor_workers": 2}', "optimized_procesor_workers"),
        ("storage.json", '{"flush_rows": "many"}', "flush_rows"),
        ("storage.json", "{nonsense", "storage.json"),
        ("storage.json", "[]", "storage.json"),
    ],
)
def test_a_wrong_file_is_refused_by_its_name_and_that_of_the_key(tmp_path: Path, file: str, text: str, named: str) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert named in str(caught.value)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_where_a_file_should_be_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "stream.json").mkdir()
    with pytest.raises(ConfigError, match=r"stream\.json"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("environ", "arguments", "named"),
    [
        ({"PORT": "http"}, {}, "PORT"),
        ({"PORT": "70000"}, {}, "70000"),
        ({"IBKR_PORT": "x"}, {}, "IBKR_PORT"),
        ({"MARKET": "moon"}, {}, "moon"),
        ({"LOG_LEVEL": "LOUD"}, {}, "LOUD"),
        ({}, {"speed": -1.0}, "speed"),
        ({}, {"market": "replay"}, "--replay"),
        ({}, {"market": "replay", "replay": (Path("no-such-file.gz"),)}, "no-such-file.gz"),
        ({}, {"market": "live", "replay": (Path("x"),)}, "--market replay"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_in_one_line(
    tmp_path: Path, environ: dict[str, str], arguments: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, environ, **arguments)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.org", "::"])
@pytest.mark.parametrize("missing", ["ADMIN_PASSWORD", "SECRET_KEY"])
def test_a_host_that_others_reach_needs_a_password_and_a_key(tmp_path: Path, host: str, missing: str) -> None:
    environ = SECRETS | {"HOST": host}
    assert load(tmp_path, environ).is_public
    del environ[missing]
    with pytest.raises(ConfigError, match=missing):
        load(tmp_path, environ)


@pytest.mark.parametrize(("variable", "value"), [("ADMIN_PASSWORD", "short"), ("SECRET_KEY", "tooshort")])
def test_on_a_public_host_short_secrets_are_refused(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(ConfigError, match=variable) as caught:
        load(tmp_path, SECRETS | {"HOST": "0.0.0.0", variable: value})
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "only_here"),
    [("127.0.0.1", True), ("127.0.0.9", True), ("::1", True), ("localhost", True), ("10.0.0.1", False)],
)
def test_only_this_machines_own_names_are_loopback(host: str, only_here: bool) -> None:
    assert is_loopback(host) is only_here


def test_no_secret_shows_in_the_settings_text(tmp_path: Path) -> None:
    environ = SECRETS | {"DATABASE_URL": "postgresql://me:p%40ssword@db/x", "BINANCE_API_SECRET": "apisecret-1"}
    settings = load(tmp_path, environ)
    assert set(settings.secrets) == {*SECRETS.values(), "p@ssword", "p%40ssword", "apisecret-1"}
    assert not any(secret in repr(settings) for secret in settings.secrets)


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = load(tmp_path)
    with pytest.raises(AttributeError):
        settings.port = 1  # type: ignore[misc]


def test_a_missing_file_means_the_defaults(tmp_path: Path) -> None:
    assert read_config(tmp_path / "none.json", type(Settings().stream)) == Settings().stream


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimized_processor_workers", 0),
        ("optimized_processor_workers", 9),
        ("optimized_processor_batch_size", 0),
        ("pipeline_threads", 17),
        ("stream_entries", 500),
        ("spool_bytes", 10),
        ("tick_retention_days", -1),
        ("pattern_retention_days", -1),
    ],
)
def test_a_scanner_out_of_bounds_is_refused_by_the_keys_name(tmp_path: Path, key: str, value: int) -> None:
    (tmp_path / "scanner.json").write_text(json.dumps({key: value}))
    with pytest.raises(ConfigError, match=rf"scanner\.json: {key} must be .*, was {value}"):
        load_settings(environ={}, configs=tmp_path)
