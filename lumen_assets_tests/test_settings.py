from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from lumen_assets.errors import SettingsError
from lumen_assets.settings import (
    Configuration,
    CsvTelemetry,
    LocalDestination,
    default_configuration_text,
    load_settings,
)

PROMETHEUS = "{type: prometheus, url: 'http://h', queries: {a: b}"
"""Settings of a Prometheus, without the closing brace."""


def write(folder: Path, text: str) -> Path:
    (folder / "lumen.yaml").write_text(text, encoding="utf-8")
    return folder


def problems(environ: dict[str, str], folder: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, folder)
    assert caught.value.error_class == "configuration"
    return caught.value.problems


def test_shipped_file_says_exactly_the_defaults() -> None:
    shipped = Configuration.model_validate(yaml.safe_load(default_configuration_text()))
    assert shipped == Configuration()


def test_nothing_set_runs_on_defaults_under_the_user_data_folder(tmp_path: Path) -> None:
    settings = load_settings({"HOME": "/h"}, tmp_path)
    assert settings.configuration == Configuration()
    assert settings.home == Path("/h/.local/share/lumen")
    assert settings.dagster_home == settings.home / "dagster"
    assert settings.sample
    assert settings.data_root == settings.home / "sample"
    assert settings.archive_key is None


def test_xdg_data_home_is_honoured(tmp_path: Path) -> None:
    assert load_settings({"HOME": "/h", "XDG_DATA_HOME": "/x"}, tmp_path).home == Path("/x/lumen")


def test_relative_destinations_lie_under_home(tmp_path: Path) -> None:
    settings = load_settings({"LUMEN_HOME": "/srv/lumen"}, tmp_path)
    here = settings.configuration.destinations["here"]
    assert isinstance(here, LocalDestination)
    assert settings.local_path(here) == Path("/srv/lumen/copies/here")


def test_lumen_config_wins_over_the_working_folder(tmp_path: Path) -> None:
    write(tmp_path, "report: {language: en}")
    other = tmp_path / "other.yaml"
    other.write_text("report: {language: ko, title: Chosen}")
    assert load_settings({"LUMEN_CONFIG": str(other)}, tmp_path).configuration.report.title == "Chosen"
    assert load_settings({}, tmp_path).configuration.report.language == "en"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nonsense: 1", "nonsense: there is no such setting"),
        ("policy: {required: 2}", "policy.required: there is no such setting"),
        ("policy: {required_replicas: 3}", "there are only 2 destinations"),
        ("policy: {required_replicas: many}", "policy.required_replicas: input should be a valid integer"),
        ('schedule: {at: "25:00"}', "schedule.at: string should match"),
        ("schedule: {spread_minutes: 9}", "schedule.spread_minutes: input should be less than or equal to 5"),
        ('schedule: {at: "00:02"}', "schedule: the spread would move"),
        ("timezone: Europe/Berlin", "timezone: input should be 'Asia/Seoul'"),
        ("destinations: {}", "destinations: at least one destination"),
        ("destinations: {archive: {type: local, path: x}}", "the local archive has this name"),
        ("destinations: {c: {type: s3, bucket: abc, endpoint_url: ''}}", "destinations.c.endpoint_url: must be http"),
        ("destinations: {c: {type: s3, bucket: abc, endpoint_url: 'http://u:canary@h'}}", "without a user or password"),
        ("destinations: {A-B: {type: local, path: x}}", "a name is made of a-z, 0-9 and _"),
        ("destinations: {a: {type: ftp, path: x}, b: {type: local, path: y}}", "destinations.a.type"),
        ("sources: {telemetry: {path: ../x.csv}}", "sources.telemetry.path: must be a path under LUMEN_DATA_ROOT"),
        ("sources: {telemetry: {type: kafka}}", "sources.telemetry.type: there is no such type"),
        ("sources: {telemetry: {type: prometheus}}", "sources.telemetry.url: is needed"),
        (f"sources: {{telemetry: {PROMETHEUS}, path: x}}}}", "sources.telemetry.path: there is no such setting"),
        (f"sources: {{telemetry: {PROMETHEUS}, step: 15}}}}", "sources.telemetry.step: input should be a valid string"),
        (f"sources: {{telemetry: {PROMETHEUS}, step: 2h}}}}", "sources.telemetry.step: must be a duration from 100ms"),
        (f"sources: {{telemetry: {PROMETHEUS}, ca_file: none.pem}}}}", "sources.telemetry.ca_file: none.pem is not"),
        ("sources: {telemetry: {type: prometheus, url: 'http://h:x', queries: {a: b}}}", "url: must be http://HOST"),
        (
            "sources: {telemetry: {type: prometheus, url: 'http://u:canary@h', queries: {a: b}}}",
            "sources.telemetry.url: must be without a user or password",
        ),
        ("sources: {telemetry: {type: prometheus, url: 'http://h', queries: {}}}", "queries: at least one is needed"),
        ("sources: {telemetry: {type: prometheus, url: 'http://h', queries: {'a,b': c}}}", "'a,b': a signal's name"),
        ("sources: {telemetry: {type: prometheus, url: 'http://h', queries: {ts: c}}}", "'ts': a signal's name"),
        ("sources: {telemetry: {type: prometheus, url: 'http://h', queries: {a: ' '}}}", "a: there is no expression"),
        ("signals: {x: {label: {ko: 엑스, en: x}, target: {}}}", "signals.x.target: needs min, max or both"),
        ("signals: {x: {label: {ko: 엑스, en: x}, target: {min: 2, max: 1}}}", "min must not be above max"),
        ("start_date: soon", "start_date: "),
        ("a: [", "not valid YAML at line"),
        ("policy: {}\npolicy: {}", "stands here twice"),
        ("- a", "must be settings with names"),
    ],
)
def test_a_wrong_setting_is_named_with_its_problem(tmp_path: Path, text: str, expected: str) -> None:
    found = problems({}, write(tmp_path, text))
    assert any(expected in problem for problem in found), found


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    write(tmp_path, "nonsense: 1\nschedule: {at: x}")
    assert len(problems({"LUMEN_DATA_ROOT": "/does/not/exist"}, tmp_path)) == 3


def test_a_value_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("c2VjcmV0\n")
    settings = load_settings({"LUMEN_ARCHIVE_KEY_FILE": str(tmp_path / "key")}, tmp_path)
    assert settings.archive_key is not None
    assert settings.archive_key.get_secret_value() == "c2VjcmV0"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LUMEN_ARCHIVE_KEY": "a", "LUMEN_ARCHIVE_KEY_FILE": "b"}, "set twice"),
        ({"LUMEN_ARCHIVE_KEY_FILE": "/does/not/exist"}, "cannot be read"),
        ({"LUMEN_CONFIG": "/does/not/exist"}, "is not a file"),
        ({"LUMEN_DATA_ROOT": "/does/not/exist"}, "is not a folder"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, environ: dict[str, str], expected: str) -> None:
    (found,) = problems(environ, tmp_path)
    assert found.startswith(next(iter(environ)))
    assert expected in found


def test_no_secret_is_shown(tmp_path: Path) -> None:
    settings = load_settings({"LUMEN_ARCHIVE_KEY": "canary-5ecre7"}, tmp_path)
    assert "canary-5ecre7" not in repr(settings)
    write(tmp_path, "archive: {key: canary-5ecre7, level: canary-5ecre7}")
    assert "canary-5ecre7" not in "".join(problems({}, tmp_path))


def test_content_configuration_leaves_out_what_does_not_shape_a_day(tmp_path: Path) -> None:
    plain = load_settings({"LUMEN_HOME": "/a"}, tmp_path).content_configuration
    write(
        tmp_path,
        "destinations: {x: {type: local, path: /y}}\npolicy: {required_replicas: 1}\nschedule: {at: '10:00'}\n"
        "sources: {links: refuse}",
    )
    assert load_settings({"LUMEN_HOME": "/b"}, tmp_path).content_configuration == plain
    write(tmp_path, "report: {language: en}")
    assert load_settings({"LUMEN_HOME": "/a"}, tmp_path).content_configuration != plain


def test_every_secret_is_known_whole_and_in_its_parts(tmp_path: Path) -> None:
    account = {
        "type": "service_account",
        "client_email": "robot@example.com",
        "token_uri": "https://oauth2.example.com/token",
        "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n",
    }
    settings = load_settings(
        {
            "HOME": str(tmp_path),
            "GDRIVE_TOKEN": json.dumps(account),
            "LUMEN_ALERT_SECRET": "first-secret-0001,second-secret-0002",
            "AWS_SECRET_ACCESS_KEY": "aws-secret-0003",
            "SMTP_PASS": "short",
        },
        tmp_path,
    )
    known = {secret.get_secret_value() for secret in settings.secrets}
    assert {"first-secret-0001", "second-secret-0002", "aws-secret-0003", "short", "hkiG9w0BAQEFAASC"} <= known
    assert account["private_key"].strip() in known
    assert not {"service_account", "robot@example.com", "https://oauth2.example.com/token"} & known


def alerts(text: str) -> str:
    return f"alerts: {text}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{apprise: [SLACK_URL]}", "alerts.apprise: the environment variable SLACK_URL is not set"),
        ("{apprise: [NO_ADDRESS]}", "NO_ADDRESS: it is not an address"),
        ("{dead_man_url: 'https://user:pw@example.com/'}", "does not belong into lumen.yaml"),
        ("{alertmanager: localhost}", "must be an address, or the name of an environment variable"),
        ("{mail: {to: [me@example.com]}}", "SMTP_HOST: alerts.mail.to has addresses but no server is set"),
        ("{quiet: {start: '07:00', end: '07:00'}}", "start and end are the same"),
        ("{cap_per_hour: 1}", "alerts.cap_per_hour"),
    ],
)
def test_wrong_alert_settings_stop_at_start(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "lumen.yaml").write_text(alerts(text))
    with pytest.raises(SettingsError) as caught:
        load_settings({"HOME": str(tmp_path), "NO_ADDRESS": "s3cr3t"}, tmp_path)
    assert message in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_addresses_are_read_from_their_variables_or_files(tmp_path: Path) -> None:
    (tmp_path / "lumen.yaml").write_text(
        alerts(
            "{apprise: [SLACK_URL, 'json://127.0.0.1:1/'], alertmanager: 'http://127.0.0.1:9093', dead_man_url: PING}"
        )
    )
    (tmp_path / "ping").write_text("https://ping.example/abc\n")
    environ = {"HOME": str(tmp_path), "SLACK_URL": "slack://token", "PING_FILE": str(tmp_path / "ping")}
    settings = load_settings(environ, tmp_path)
    assert [url.get_secret_value() for url in settings.apprise_urls] == ["slack://token", "json://127.0.0.1:1/"]
    assert settings.alertmanager_url is not None
    assert settings.alertmanager_url.get_secret_value() == "http://127.0.0.1:9093"
    assert settings.dead_man_url is not None
    assert settings.dead_man_url.get_secret_value() == "https://ping.example/abc"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"SMTP_PORT": "smtp", "SMTP_FROM": "a@b"}, "SMTP_PORT: must be a port"),
        ({"LUMEN_ALERT_URL": "ftp://canary/x"}, "LUMEN_ALERT_URL: it is not an address"),
        ({"LUMEN_ALERT_URL": "http://[::1"}, "LUMEN_ALERT_URL: it is not an address"),
        ({"LUMEN_ALERT_URL": "https:///canary"}, "LUMEN_ALERT_URL: it is not an address"),
        ({"LUMEN_ALERT_SECRET": " , ,"}, "LUMEN_ALERT_SECRET: there is no secret in it"),
        ({"SMTP_USER": "me"}, "SMTP_FROM: must be the sender"),
    ],
)
def test_a_wrong_mail_server_or_webhook_stops_at_start(tmp_path: Path, more: dict[str, str], message: str) -> None:
    environ = {"HOME": str(tmp_path), "SMTP_HOST": "mail", "SMTP_FROM": "a@b"}
    if "SMTP_USER" in more:
        del environ["SMTP_FROM"]
    with pytest.raises(SettingsError) as caught:
        load_settings(environ | more, tmp_path)
    (problem,) = caught.value.problems
    assert problem.startswith(message)
    assert "canary" not in problem


def test_a_mail_server(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "SMTP_HOST": "mail", "SMTP_USER": "me@example.com", "SMTP_PASS": "hunter2"}
    smtp = load_settings(environ, tmp_path).smtp
    assert smtp is not None
    assert (smtp.host, smtp.port, smtp.user, smtp.sender) == ("mail", 587, "me@example.com", "me@example.com")
    assert "hunter2" not in repr(smtp)


STATE = "postgresql://lumen:canary-5ecre7-word@db/lumen"


def test_a_shared_state_needs_a_key_that_is_shared_too(tmp_path: Path) -> None:
    [problem] = problems({"LUMEN_STATE_URL": STATE}, tmp_path)
    assert problem.startswith("LUMEN_ARCHIVE_KEY: is needed where LUMEN_STATE_URL is set")
    settings = load_settings({"LUMEN_STATE_URL": STATE, "LUMEN_ARCHIVE_KEY": "canary-5ecre7-key"}, tmp_path)
    assert "canary" not in repr(settings)
    known = {secret.get_secret_value() for secret in settings.secrets}
    assert {STATE, "canary-5ecre7-word"} <= known


def test_a_password_in_an_address_is_a_secret_by_itself(tmp_path: Path) -> None:
    url = "redis://:canary%2F5ecre7-word@redis:6379/0"
    settings = load_settings(
        {"LUMEN_REDIS_URL": url, "LUMEN_ALERT_URL": "https://u:canary-5ecre7-too@host/x"}, tmp_path
    )
    known = {secret.get_secret_value() for secret in settings.secrets}
    assert {url, "canary/5ecre7-word", "canary-5ecre7-too"} <= known
    assert "" not in known


@pytest.mark.parametrize("url", ["canary-5ecre7", "mysql://lumen:canary-5ecre7@db/lumen"])
def test_a_state_url_that_is_no_postgres_is_named_and_not_repeated(tmp_path: Path, url: str) -> None:
    [problem] = problems({"LUMEN_STATE_URL": url, "LUMEN_ARCHIVE_KEY": "k"}, tmp_path)
    assert problem.startswith("LUMEN_STATE_URL: it is")
    assert "canary" not in problem


def test_content_configuration_keeps_the_order_of_signals_and_is_a_configuration_itself(tmp_path: Path) -> None:
    (tmp_path / "lumen.yaml").write_text("signals: {b: {label: {ko: 나, en: b}}, a: {label: {ko: 가, en: a}}}\n")
    frozen = load_settings({"LUMEN_HOME": "/a"}, tmp_path).content_configuration
    (tmp_path / "lumen.yaml").write_text(frozen)
    again = load_settings({"LUMEN_HOME": "/a"}, tmp_path)
    assert list(again.configuration.signals) == ["b", "a"]
    assert again.content_configuration == frozen


GRAFANA = {
    "GRAFANA_BASE": "https://g.example/grafana/",
    "GRAFANA_TOKEN": "canary-tok",
    "GRAFANA_DASHBOARD_UID": "aB_1-x",
}


def test_grafana(tmp_path: Path) -> None:
    grafana = load_settings({**GRAFANA, "GRAFANA_PANEL_IDS": "2, panel-4"}, tmp_path).grafana
    assert grafana is not None
    assert (grafana.base, grafana.uid, grafana.slug) == ("https://g.example/grafana", "aB_1-x", "aB_1-x")
    assert grafana.panels == ("2", "panel-4")
    assert "canary" not in repr(grafana)
    assert load_settings(GRAFANA, tmp_path).grafana.panels == ()  # type: ignore[union-attr]
    without = {name: value for name, value in GRAFANA.items() if name != "GRAFANA_BASE"}
    settings = load_settings(without, tmp_path)
    assert settings.grafana is None
    assert "canary-tok" in {secret.get_secret_value() for secret in settings.secrets}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"GRAFANA_BASE": "grafana.example"}, "GRAFANA_BASE: it is not an address"),
        ({"GRAFANA_BASE": "https://u:canary@g.example"}, "GRAFANA_BASE: it must be without user, password"),
        ({"GRAFANA_BASE": "https://g.example/d/x?orgId=1"}, "GRAFANA_BASE: it must be without user, password"),
        ({"GRAFANA_TOKEN": ""}, "GRAFANA_TOKEN: is needed where GRAFANA_BASE is set"),
        ({"GRAFANA_DASHBOARD_UID": ""}, "GRAFANA_DASHBOARD_UID: is needed where GRAFANA_BASE is set"),
        ({"GRAFANA_DASHBOARD_UID": "a/../b"}, "GRAFANA_DASHBOARD_UID: may have letters, digits"),
        ({"GRAFANA_DASHBOARD_SLUG": "a?b"}, "GRAFANA_DASHBOARD_SLUG: may have letters, digits"),
        ({"GRAFANA_PANEL_IDS": "2&x=1"}, "GRAFANA_PANEL_IDS: may have letters, digits"),
        ({"GRAFANA_PANEL_IDS": "2 2"}, "GRAFANA_PANEL_IDS: a panel stands there twice"),
    ],
)
def test_a_wrong_grafana_stops_at_start(tmp_path: Path, more: dict[str, str], message: str) -> None:
    found = problems({**GRAFANA, **more}, tmp_path)
    assert any(problem.startswith(message) for problem in found)
    assert "canary" not in "".join(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{folder: /reports}", "distribution.folder: must be a relative path"),
        ("{folder: a/../b}", "distribution.folder: must be a relative path"),
        ("{folder: .tmp-x}", "distribution.folder: must be a relative path"),
        ("{folder: ''}", "distribution.folder: must be a relative path"),
        ("{folder: 2026-03-09/x}", "distribution.folder: must not begin with a day"),
        ("{mail: {to: [me@example.org, ME@example.org]}}", "distribution.mail.to: an address stands there twice"),
        ("{mail: {to: [me@example.org]}}", "SMTP_HOST: distribution.mail.to has addresses but no server is set"),
    ],
)
def test_a_wrong_distribution_stops_at_start(tmp_path: Path, text: str, message: str) -> None:
    (problem,) = problems({}, write(tmp_path, f"distribution: {text}"))
    assert problem.startswith(message)


def test_distribution_and_looks_of_pictures_shape_no_content(tmp_path: Path) -> None:
    plain = load_settings({}, tmp_path).content_configuration
    write(tmp_path, "distribution: {folder: reports/of/days}\nreport: {grafana: {width: 800}}")
    settings = load_settings({}, tmp_path)
    assert settings.configuration.distribution.folder == "reports/of/days"
    assert settings.content_configuration == plain


def test_telemetry_from_a_server_needs_no_data_root_and_is_frozen_as_the_file_that_it_becomes(tmp_path: Path) -> None:
    write(tmp_path, f"sources: {{s3: {{region: r}}, telemetry: {PROMETHEUS}, step: 1m}}}}")
    settings = load_settings({"LUMEN_HOME": "/a"}, tmp_path)
    assert (settings.sample, settings.data_root) == (False, Path("/a/inputs"))
    frozen = settings.content_configuration
    write(tmp_path, frozen)
    again = load_settings({"LUMEN_HOME": "/a"}, tmp_path)
    assert again.content_configuration == frozen
    assert again.configuration.sources.telemetry == CsvTelemetry(path="logs/prometheus.csv", rate_hz=1 / 60)
    assert "http" not in frozen
    assert "region" not in frozen


def test_what_was_frozen_before_a_setting_was_there_stays_the_same(tmp_path: Path) -> None:
    settings = load_settings({"LUMEN_HOME": "/a"}, tmp_path)
    telemetry = yaml.safe_load(settings.content_configuration)["sources"]
    assert telemetry.keys() == {"telemetry", "extra"}
    assert telemetry["telemetry"].keys() == {"type", "path", "rate_hz", "min_coverage"}
    signals = yaml.safe_load(settings.content_configuration)["signals"]
    assert {name for signal in signals.values() for name in signal} == {"label", "unit", "target", "good"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"PROMETHEUS_USER": "u"}, "PROMETHEUS_PASSWORD: is needed where PROMETHEUS_USER is set"),
        ({"PROMETHEUS_PASSWORD": "canary"}, "PROMETHEUS_USER: is needed where PROMETHEUS_PASSWORD is set"),
        (
            {"PROMETHEUS_TOKEN": "canary", "PROMETHEUS_USER": "u", "PROMETHEUS_PASSWORD": "canary"},
            "PROMETHEUS_TOKEN: is set, and PROMETHEUS_USER too",
        ),
    ],
)
def test_half_a_login_or_two_are_named(tmp_path: Path, given: dict[str, str], expected: str) -> None:
    write(tmp_path, f"sources: {{telemetry: {PROMETHEUS}}}}}")
    [problem] = problems(given, tmp_path)
    assert problem.startswith(expected)
    assert "canary" not in problem


def test_a_login_is_sent_as_it_should_be_and_known_as_a_secret(tmp_path: Path) -> None:
    write(tmp_path, f"sources: {{telemetry: {PROMETHEUS}}}}}")
    (tmp_path / "token").write_text("canary-5ecre7\n")
    by_token = load_settings({"PROMETHEUS_TOKEN_FILE": str(tmp_path / "token")}, tmp_path)
    assert by_token.prometheus.header == {"Authorization": "Bearer canary-5ecre7"}
    assert SecretStr("canary-5ecre7") in by_token.secrets
    by_password = load_settings({"PROMETHEUS_USER": "Aladdin", "PROMETHEUS_PASSWORD": "open sesame"}, tmp_path)
    assert by_password.prometheus.header == {"Authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}  # RFC 2617
    assert load_settings({}, tmp_path).prometheus.header == {}
    assert "sesame" not in repr(by_password)
