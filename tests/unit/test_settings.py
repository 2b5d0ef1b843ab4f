"""Settings: each has a default, a name of the contract, and a fault that names it and says why."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import pytest

from app.kit.dotenv import read_dotenv
from app.kit.secrets import Secrets
from app.settings import UNSUPPORTED, ProxyLink, Settings, SettingsFault, environment, load, strangers

_W = {"POSTBACKS_WORKER": "w1"}


def _load(**settings: str) -> Settings:
    return load(_W | {f"POSTBACKS_{name}": value for name, value in settings.items()})


def _fault(**settings: str) -> str:
    with pytest.raises(SettingsFault) as caught:
        _load(**settings)
    return str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kafka", "127.0.0.1:9092"),
        ("clickhouse", "http://default:@127.0.0.1:8123/postbacks"),
        ("kafka_session_timeout_s", 10.0),
        ("prefix", "postbacks"),
        ("partitions", 12),
        ("replication", 1),
        ("data_dir", Path(".postbacks")),
        ("web_host", "127.0.0.1"),
        ("web_port", 8080),
        ("sending", "on"),
        ("allow_networks", ()),
        ("proxy", None),
        ("source_addresses", ()),
        ("secrets_dir", None),
        ("flows_dir", None),
        ("max_in_flight", 256),
        ("max_per_host", 32),
        ("lead_ttl_days", 90),
        ("log_ttl_days", 90),
        ("requests_retention_days", 7),
        ("late_s", 5.0),
        ("handover_s", 5.0),
        ("stop_timeout_s", 25.0),
        ("log_format", "console"),
        ("log_level", "info"),
    ],
)
def test_a_setting_has_its_default_when_it_is_not_set_or_blank(field: str, value: Any) -> None:
    assert getattr(load(_W), field) == value
    name = {
        "web_host": "WEB",
        "web_port": "WEB",
        "source_addresses": "SOURCE_ADDRESS",
        "stop_timeout_s": "STOP_TIMEOUT",
        "kafka_session_timeout_s": "KAFKA_SESSION_TIMEOUT",
    }.get(field, field.upper())
    assert getattr(_load(**{name: " \t"}), field) == value


def test_a_worker_is_named_after_its_machine_when_nothing_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "vm-7.example")
    assert load({}).worker == "vm-7.example"
    monkeypatch.setattr("socket.gethostname", lambda: "Olha’s laptop")
    with pytest.raises(SettingsFault, match="POSTBACKS_WORKER='Olha’s laptop' cannot be used"):
        load({})


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("KAFKA", "k1:9092, k2:9093", "kafka", "k1:9092,k2:9093"),
        ("KAFKA", "[::1]:9092", "kafka", "[::1]:9092"),
        ("CLICKHOUSE", "https://u:p%40s@ch:8443/db", "clickhouse", "https://u:p%40s@ch:8443/db"),
        ("CLICKHOUSE", "http://ch/db/", "clickhouse", "http://ch/db/"),
        ("KAFKA_SESSION_TIMEOUT", "6", "kafka_session_timeout_s", 6.0),
        ("PREFIX", "shop-1.eu_2", "prefix", "shop-1.eu_2"),
        ("PARTITIONS", "10000", "partitions", 10_000),
        ("REPLICATION", "3", "replication", 3),
        ("DATA_DIR", "/var/lib/postbacks", "data_dir", Path("/var/lib/postbacks")),
        ("WEB", "0.0.0.0:80", "web_host", "0.0.0.0"),
        ("WEB", "0.0.0.0:80", "web_port", 80),
        ("WEB", "[::1]:8080", "web_host", "::1"),
        ("WORKER", "w-2", "worker", "w-2"),
        ("SENDING", "dry-run", "sending", "dry-run"),
        ("SECRETS_DIR", "/", "secrets_dir", Path("/")),
        ("FLOWS_DIR", "/", "flows_dir", Path("/")),
        ("MAX_IN_FLIGHT", "1", "max_in_flight", 1),
        ("MAX_PER_HOST", "65536", "max_per_host", 65_536),
        ("RETRY_DELAYS", "1s, 90s,2m,1d", "retry_delays", ("1s", "90s", "2m", "1d")),
        ("RETRY_AFTER_MAX_S", "60", "retry_after_max_s", 60),
        ("LEAD_TTL_DAYS", "1", "lead_ttl_days", 1),
        ("LOG_TTL_DAYS", "365", "log_ttl_days", 365),
        ("REQUESTS_RETENTION_DAYS", "14", "requests_retention_days", 14),
        ("LATE_S", "0", "late_s", 0.0),
        ("HANDOVER_S", "2.5", "handover_s", 2.5),
        ("STOP_TIMEOUT", "1", "stop_timeout_s", 1.0),
        ("LOG_FORMAT", "json", "log_format", "json"),
        ("LOG_LEVEL", "debug", "log_level", "debug"),
    ],
)
def test_a_good_setting_is_taken(name: str, text: str, field: str, value: Any) -> None:
    assert getattr(_load(**{name: text}), field) == value


def test_networks_are_read_with_and_without_a_mask() -> None:
    networks = _load(ALLOW_NETWORKS="127.0.0.0/8, 10.1.2.3,fd00::/8,").allow_networks
    assert networks == tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "10.1.2.3/32", "fd00::/8")))


_COUNTS = ("PARTITIONS", "REPLICATION", "MAX_IN_FLIGHT", "MAX_PER_HOST", "RETRY_AFTER_MAX_S")
_DAYS = ("LEAD_TTL_DAYS", "LOG_TTL_DAYS", "REQUESTS_RETENTION_DAYS")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        *((name, text, "a whole number from 1 to")
          for name in (*_COUNTS, *_DAYS) for text in ("0", "-1", "1.5", "many", "²", "9" * 5000)),
        *((name, text, "a number of seconds")
          for name in ("LATE_S", "HANDOVER_S", "STOP_TIMEOUT") for text in ("-1", "5s", "nan", "inf")),
        *(("KAFKA", text, "host:port,host:port")
          for text in ("kafka", "kafka:", ":9092", "kafka:0", "kafka:99999", "k:9092,", "kafka://k:9092")),
        *(("WEB", text, "host:port") for text in ("8080", ":8080", "h:", "h:70000", "h:²", "::1:8080")),
        *(("PREFIX", text, "up to 100 of") for text in ("a/b", "ключ", "a b", "x" * 101)),
        *(("WORKER", text, "up to 100 of") for text in ("a/b", "../w", "x" * 101)),
        *(("RETRY_DELAYS", text, "the shortest first, such as 5s,1m,10m,1h,6h")
          for text in ("5", "0s", "5s,", "1m,5s", "60s,1m", "5s,31d", "1.5s", "-1s", "1s 2s", "٥s",
                       "1s,2s,3s,4s,5s,6s,7s,8s,9s,10s,11s")),
        *((name, text, "no name") for name in ("PREFIX", "WORKER") for text in (".", "..")),
        ("SENDING", "off", "on, dry-run"),
        ("KAFKA_SESSION_TIMEOUT", "1", "a number of seconds from 2 to 300"),
        ("LOG_FORMAT", "JSON", "json, console"),
        ("LOG_LEVEL", "trace", "debug, info, warning, error"),
        ("ALLOW_NETWORKS", "127.0.0.0/8,localhost", "networks such as"),
        *(("SOURCE_ADDRESS", text, "an address of this machine")
          for text in ("eth0", "10.0.0.1,10.0.0.2", "10.0.0.1,", "10.0.0.0/8", "::1,fe80::1")),
        ("SECRETS_DIR", "/nowhere/at/all", "no such folder"),
        ("FLOWS_DIR", "/nowhere/at/all", "no such folder"),
        ("KAFKA_SECURITY", "TLS", "PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ("KAFKA_CA_FILE", "/nowhere/ca.pem", "no such file"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_its_value_and_why(name: str, text: str, why: str) -> None:
    told = _fault(**{name: text})
    assert told.startswith(f"POSTBACKS_{name}=")
    assert why in told
    assert "\n" not in told
    assert len(told) < 400


@pytest.mark.parametrize(
    "link",
    [
        "ch:8123/db", "ftp://me:sesame@ch/db", "http://me:sesame@ch:8123", "http://me:sesame@ch:8123/",
        "http://me:sesame@/db", "http://me:sesame@ch:99999/db", "http://me:sesame@ch:x/db",
        "http://me:sesame@[ch/db", "http://me:sesame@ch/db?secure=1", "http://me:sesame@ch/db#x",
        "http://me:sesame@ch/a/b", "http://me:sesame/x@ch:8123/db", "http://me:ses#ame@ch/db",
    ],
)  # fmt: skip
def test_a_wrong_clickhouse_is_named_and_its_password_never_repeated(link: str) -> None:
    told = _fault(CLICKHOUSE=link)
    assert "POSTBACKS_CLICKHOUSE" in told
    assert "http://user:password@host:8123/database" in told
    assert "ses" not in told.replace("user:password", "")


def test_a_source_address_is_one_or_one_of_each_family() -> None:
    assert _load(SOURCE_ADDRESS="203.0.113.7").source_addresses == (ipaddress.IPv4Address("203.0.113.7"),)
    both = _load(SOURCE_ADDRESS="2001:db8::7, 203.0.113.7").source_addresses
    assert [address.version for address in both] == [6, 4]


@pytest.mark.parametrize(
    ("link", "proxy"),
    [
        ("http://proxy:3128", ProxyLink("http", "proxy", 3128)),
        ("https://me@[::1]:443/", ProxyLink("https", "::1", 443, "me")),
        ("http://m%40e:p%3A%2Fs@Proxy.example:80", ProxyLink("http", "proxy.example", 80, "m@e", "p:/s")),
    ],
)
def test_a_proxy_is_read_with_its_user(link: str, proxy: ProxyLink) -> None:
    assert _load(PROXY=link).proxy == proxy


@pytest.mark.parametrize(
    "link",
    [
        "proxy:3128", "socks5://me:sesame@proxy:1080", "http://me:sesame@proxy", "http://me:sesame@:3128",
        "http://me:sesame@proxy:0", "http://me:sesame@proxy:99999", "http://me:sesame@proxy:x",
        "http://me:sesame@[proxy:3128", "http://me:sesame@proxy:3128/path", "http://me:ses#ame@proxy:3128",
        "http://m%3Ae:sesame@proxy:3128", "http://me:sesame@proxy:3128?x=1",
    ],
)  # fmt: skip
def test_a_wrong_proxy_is_named_and_its_password_never_repeated(link: str) -> None:
    told = _fault(PROXY=link)
    assert told.startswith("POSTBACKS_PROXY cannot be used: it is http://user:password@host:3128")
    assert "ses" not in told.replace("user:password", "")


@pytest.mark.parametrize("name", ["KAFKA", "WEB", "PREFIX", "PARTITIONS", "LATE_S", "SENDING"])
def test_a_value_that_may_hold_a_password_is_not_repeated(name: str) -> None:
    told = _fault(**{name: "me:sesame@host:9092"})
    assert f"POSTBACKS_{name} cannot be used" in told
    assert "sesame" not in told


def test_a_representation_of_settings_holds_no_password() -> None:
    settings = _load(
        CLICKHOUSE="http://me:sesame@ch:8123/db",
        KAFKA_SECURITY="SASL_SSL",
        KAFKA_USERNAME="me",
        KAFKA_PASSWORD="open",
        PROXY="http://me:sesame@proxy:3128",
    )
    assert (settings.kafka_auth.password, settings.proxy.password if settings.proxy else "") == (
        "open",
        "sesame",
    )
    assert not re.search("sesame|'open'", repr(settings))


def test_the_passwords_among_the_settings_are_known() -> None:
    settings = _load(
        CLICKHOUSE="http://me:c%40h@ch:8123/db",
        KAFKA_SECURITY="SASL_SSL",
        KAFKA_USERNAME="me",
        KAFKA_PASSWORD="ka",
        PROXY="http://me:p%3Ax@proxy:3128",
        TOKEN="edit-edit-edit-edit",
        VIEW_TOKEN="view-view-view-view",
    )
    assert settings.passwords == {"c@h", "ka", "p:x", "edit-edit-edit-edit", "view-view-view-view"}
    assert load(_W).passwords == frozenset()


def test_sasl_and_tls_are_read_together() -> None:
    auth = _load(
        KAFKA_SECURITY="SASL_SSL",
        KAFKA_SASL_MECHANISM="SCRAM-SHA-512",
        KAFKA_USERNAME="me",
        KAFKA_PASSWORD="pw",
        KAFKA_CA_FILE=__file__,
        KAFKA_CERT_FILE=__file__,
        KAFKA_KEY_FILE=__file__,
    ).kafka_auth
    assert (auth.protocol, auth.mechanism, auth.username) == ("SASL_SSL", "SCRAM-SHA-512", "me")
    assert (auth.ca_file, auth.cert_file, auth.key_file) == (__file__, __file__, __file__)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"KAFKA_SECURITY": "SASL_SSL", "KAFKA_PASSWORD": "pw"}, "KAFKA_USERNAME is missing"),
        ({"KAFKA_SECURITY": "SASL_PLAINTEXT", "KAFKA_USERNAME": "me"}, "KAFKA_PASSWORD is missing"),
        ({"KAFKA_USERNAME": "me"}, "KAFKA_USERNAME would not be used"),
        ({"KAFKA_SECURITY": "SSL", "KAFKA_PASSWORD": "hush"}, "KAFKA_PASSWORD would not be used"),
        ({"KAFKA_CA_FILE": __file__}, "KAFKA_CA_FILE would not be used"),
        ({"KAFKA_SECURITY": "SSL", "KAFKA_KEY_FILE": __file__}, "KAFKA_CERT_FILE is missing"),
    ],
)
def test_half_a_way_into_kafka_is_refused(settings: dict[str, str], named: str) -> None:
    told = _fault(**settings)
    assert told.startswith(f"POSTBACKS_{named}")
    assert "hush" not in told


@pytest.mark.parametrize(
    ("edits", "views"), [("sesame", ""), ("x" * 15, ""), ("", "sesame"), ("x" * 16, "x" * 16)]
)
def test_a_token_that_could_be_guessed_or_is_both_is_refused(edits: str, views: str) -> None:
    with pytest.raises(SettingsFault, match=r"POSTBACKS_(VIEW_)?TOKEN") as raised:
        _load(TOKEN=edits, VIEW_TOKEN=views)
    assert (edits or views) not in str(raised.value)


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_setting_that_nothing_obeys_yet_is_refused_and_not_ignored(name: str) -> None:
    told = _fault(**{name: "http://me:sesame@proxy:3128"})
    assert f"POSTBACKS_{name} is not supported yet" in told
    assert "sesame" not in told
    assert _load(**{name: " "}) == load(_W)


def test_an_unknown_variable_is_named_with_the_nearest_setting() -> None:
    for wrong, near in (("KAFKA_SASL_USERNAME", "KAFKA_USERNAME"), ("PARTITION", "PARTITIONS")):
        (told,) = strangers({f"POSTBACKS_{wrong}": "x", wrong: "y"})
        assert told.startswith(f"POSTBACKS_{wrong} is no setting")
        assert told.endswith(f"did you mean POSTBACKS_{near}?")


@pytest.mark.parametrize(
    "variable",
    [
        *("POSTBACKS_CI", "POSTBACKS_SECRET_FB", "POSTBACKS_SECRET_fb-main", "POSTBACKS_SECRETS_DIR"),
        *("POSTBACKS_PROXY", "POSTBACKS_KAFKA_PASSWORD", "POSTBACKS_LOG_LEVEL", "PATH"),
        *("POSTBACKS_SERVICE_HOST", "POSTBACKS_PORT_8080_TCP_ADDR", "POSTBACKS_WEB_SERVICE_PORT_HTTP"),
    ],
)
def test_a_setting_a_secret_and_what_kubernetes_adds_are_no_strangers(variable: str) -> None:
    assert strangers({variable: "x"}) == []


def test_a_dotenv_file_stands_below_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("POSTBACKS_PREFIX=file\nPOSTBACKS_LATE_S=9\nPOSTBACKS_SECRET_FB=hush\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTBACKS_PREFIX", "environment")
    monkeypatch.setenv("POSTBACKS_WORKER", "w1")
    settings = load()
    assert (settings.prefix, settings.late_s) == ("environment", 9.0)
    assert Secrets(environment())("fb") == "hush"


def test_a_dotenv_file_has_comments_quotes_and_exports(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "\ufeff# a comment=1\nA=1\n export B = two words # said\nC='it # stays '\nD=\"x\"\nE=p#ss\n"
        "F='one\n#G=1\n\nno line\nH=\nI= # nothing\nA=2\n",
        encoding="utf-8",
    )
    assert read_dotenv(path) == {
        **{"A": "2", "B": "two words", "C": "it # stays ", "D": "x", "E": "p#ss"},
        **{"F": "'one", "H": "", "I": ""},
    }


@pytest.mark.parametrize("content", [b"POSTBACKS_PREFIX=\xff\n", b"\x80"])
def test_a_dotenv_file_that_cannot_be_read_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    (tmp_path / ".env").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsFault, match=r"\.env cannot be read"):
        load()
