"""The files of deploy/, each checked by the code of the tool that reads it, without an engine or a cluster.

Docker Compose, kustomize and Prometheus are Go modules (`checks`); the schemas of Kubernetes come from PyPI,
those of KEDA and the settings of its Kafka scaler from its Go module.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from app import main
from app.doctor.check_workers import read_by
from app.kit.environment import environment
from app.main import ROLES
from app.settings import Settings, load, strangers
from tests.deploy.boards import ALERTS, board_queries, rules, told_metrics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_ROOT = Path(__file__).parents[2]
_COMPOSE = _ROOT / "docker-compose.yml"
_TOKENS = {
    "POSTBACKS_TOKEN": "e" * 48,
    "POSTBACKS_VIEW_TOKEN": "v" * 48,
    "CLICKHOUSE_PASSWORD": "c" * 48,
    "GRAFANA_PASSWORD": "g" * 48,
}
_KUBERNETES = ("1.31", "1.37")  # the oldest and the newest that the manifests are for
_KEDA = "github.com/kedacore/keda/v2@v2.21.0"
_LEAVING_S = 4 * main._LEAVE_S  # roles, jobs, web and producer, one after the other
_GRACE_S = Settings().stop_timeout_s + _LEAVING_S

Check = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Runs one of the checks; `stdin` and the environment are as given."""
    if not shutil.which("go"):
        pytest.skip(
            "the loaders of Compose, kustomize and Prometheus are Go modules: install Go 1.26 or newer"
        )
    program = str(tmp_path_factory.mktemp("checks") / "checks")
    source = _ROOT / "tests" / "deploy" / "checks"
    subprocess.run(["go", "build", "-o", program, "."], cwd=source, check=True, timeout=280)

    def run(*arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            input=stdin,
            env={"PATH": os.environ["PATH"]} | environ,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def compose(check: Check) -> dict[str, Any]:
    """docker-compose.yml as Docker Compose loads it, all profiles."""
    loaded = check("compose", str(_COMPOSE), **_TOKENS)
    assert loaded.returncode == 0, loaded.stderr
    made: dict[str, Any] = json.loads(loaded.stdout)
    return made


@pytest.mark.parametrize("name", sorted(_TOKENS))
def test_compose_refuses_to_start_without_each_token_and_password(check: Check, name: str) -> None:
    refused = check("compose", str(_COMPOSE), **(_TOKENS | {name: ""}))
    assert refused.returncode == 1
    assert f"required variable {name} is missing a value" in refused.stderr


def test_a_wrong_key_in_the_compose_file_is_refused(check: Check, tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(_COMPOSE.read_text().replace("stop_grace_period", "stop_grace"))
    refused = check("compose", str(broken), **_TOKENS)
    assert refused.returncode == 1
    assert "stop_grace" in refused.stderr


def test_compose_starts_every_role_and_what_they_need_with_limits_and_health(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert sorted(services) == sorted(["clickhouse", "grafana", "kafka", "migrate", "prometheus", *ROLES])
    for name, service in services.items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
        ours = service["image"] == "postbacks"  # whose image looks at its own health
        assert ours or service["healthcheck"]["test"], name
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", name
    for role in ROLES:
        service = services[role]
        assert service["command"] == ["worker", "--role", role]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert _seconds(service["stop_grace_period"]) >= _GRACE_S
        assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert strangers(service["environment"]) == []
    assert services["join"]["environment"]["POSTBACKS_WORKER"], "its table lies under a name that stays"


def test_prometheus_of_compose_scrapes_every_role_and_grafana_has_sources_and_boards(
    compose: dict[str, Any],
) -> None:
    for service in ("prometheus", "grafana"):
        assert compose["services"][service]["profiles"] == ["monitoring"]
        for mount in compose["services"][service]["volumes"]:
            assert mount["type"] == "volume" or Path(mount["source"]).is_dir(), mount
    config = yaml.safe_load((ALERTS.parent / "prometheus.yml").read_text())
    [job] = config["scrape_configs"]
    [found] = job["dns_sd_configs"]
    assert (sorted(found["names"]), found["port"]) == (sorted(ROLES), Settings().web_port)
    assert config["rule_files"] == [ALERTS.name]
    assert Path(job["authorization"]["credentials_file"]).name in compose["secrets"]
    sources = yaml.safe_load((_ROOT / "deploy/grafana/provisioning/datasources/sources.yml").read_text())
    known = {source["uid"] for source in sources["datasources"]}
    for board in (_ROOT / "deploy/grafana/boards").glob("*.json"):
        assert set(re.findall(r'"uid": ?"(prometheus|clickhouse)"', board.read_text())) <= known


def _seconds(duration: str) -> float:
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(?:([\d.]+)s)?", duration).groups()  # type: ignore[union-attr]
    return 60 * float(minutes or 0) + float(seconds or 0)


Rendered = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def rendered(check: Check, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """The objects of both folders, with an operator's secrets."""
    folder = _copy(tmp_path_factory.mktemp("kubernetes"))
    example = (folder / "base" / "secrets.env.example").read_text()
    filled = re.sub(r"_TOKEN=$", lambda _: "_TOKEN=" + "t" * 48, example, flags=re.MULTILINE)
    (folder / "base" / "secrets.env").write_text(filled)
    made = {}
    for name in ("base", "keda"):
        done = check("kustomize", str(folder / name))
        assert done.returncode == 0, done.stderr
        made[name] = [one for one in yaml.safe_load_all(done.stdout) if one]
    return made


def _copy(folder: Path) -> Path:
    made = folder / "kubernetes"
    shutil.copytree(_ROOT / "deploy" / "kubernetes", made, ignore=shutil.ignore_patterns("secrets.env"))
    return made


def test_the_manifests_are_not_made_without_secrets_of_ones_own(check: Check, tmp_path: Path) -> None:
    done = check("kustomize", str(_copy(tmp_path) / "base"))
    assert done.returncode == 1
    assert "secrets.env" in done.stderr


@pytest.mark.parametrize("version", _KUBERNETES)
def test_every_manifest_is_what_kubernetes_takes_and_a_wrong_key_is_not(
    rendered: Rendered, version: str
) -> None:
    assert len(rendered["base"]) > 15
    for one in rendered["base"]:
        kubernetes_validate.validate(one, version, strict=True)
    [wrong] = [one for one in rendered["base"] if one["kind"] == "StatefulSet"]
    with pytest.raises(kubernetes_validate.ValidationError, match="maxReplicas"):
        kubernetes_validate.validate(
            wrong | {"spec": wrong["spec"] | {"maxReplicas": 1}}, version, strict=True
        )


def _pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in objects
        if one["kind"] in ("Deployment", "StatefulSet", "Job")
    }


def test_every_role_is_run_with_least_rights_its_secrets_probes_and_time_to_stop(rendered: Rendered) -> None:
    pods = _pods(rendered["base"])
    roles = {f"postbacks-{role}": ["worker", "--role", role] for role in ROLES}
    assert {name: pod["containers"][0]["args"] for name, pod in pods.items()} == roles | {
        "postbacks-migrate": ["migrate"]
    }
    [settings] = [one["data"] for one in rendered["base"] if one["kind"] == "ConfigMap"]
    for name, pod in pods.items():
        [container] = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"], name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["terminationGracePeriodSeconds"] >= _GRACE_S, name
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts["secrets"] == settings["POSTBACKS_SECRETS_DIR"], name
        assert mounts["data"] == "/data", name
        if name in roles:
            probed = [container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")]
            assert probed == ["/healthz", "/readyz"], name
    kinds = {(one["kind"], one["metadata"]["name"]) for one in rendered["base"]}
    assert {("PodDisruptionBudget", name) for name in roles} <= kinds
    assert ("StatefulSet", "postbacks-join") in kinds


def test_the_settings_of_the_manifests_are_settings_and_can_be_used(
    rendered: Rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    [settings] = [one["data"] for one in rendered["base"] if one["kind"] == "ConfigMap"]
    example = (_ROOT / "deploy/kubernetes/base/secrets.env.example").read_text()
    names = dict(line.split("=", 1) for line in example.splitlines())
    assert strangers(settings | names) == []
    told = load(
        settings | {"POSTBACKS_SECRETS_DIR": "/", "POSTBACKS_CLICKHOUSE": names["POSTBACKS_CLICKHOUSE"]}
    )
    assert told.replication == 3
    monkeypatch.setenv(
        "POSTBACKS_WEB_SERVICE_HOST", "10.0.0.1"
    )  # Kubernetes' own, of the service postbacks-web
    monkeypatch.setenv("POSTBACKS_WEB_PORT", "tcp://10.0.0.1:80")
    assert not [line for line in strangers(environment()) if "POSTBACKS_WEB_" in line]


def test_only_outbound_reaches_strangers_and_no_private_address(rendered: Rendered) -> None:
    policies = {
        one["metadata"]["name"]: one["spec"] for one in rendered["base"] if one["kind"] == "NetworkPolicy"
    }
    open_ones = {
        name: spec
        for name, spec in policies.items()
        if any("ipBlock" in to for rule in spec.get("egress", []) for to in rule.get("to", [{"ipBlock": 0}]))
    }
    [(_, spec)] = open_ones.items()
    assert spec["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "postbacks-outbound"}
    [rule] = spec["egress"]
    assert {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"} <= set(rule["to"][0]["ipBlock"]["except"])
    assert policies["postbacks-workers"]["policyTypes"] == ["Ingress", "Egress"]


@pytest.fixture(scope="module")
def keda(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of KEDA's Go module."""
    if not shutil.which("go"):
        pytest.skip("KEDA's schemas are in its Go module: install Go 1.26 or newer")
    done = subprocess.run(
        ["go", "mod", "download", "-json", _KEDA],
        cwd=tmp_path_factory.mktemp("keda"), capture_output=True, text=True, check=True, timeout=200,
    )  # fmt: skip
    return Path(json.loads(done.stdout)["Dir"])


def _strict(schema: Any) -> Any:
    """A schema that refuses keys which it does not name; Kubernetes drops them without a word."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items()}
    if "properties" in made and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


def test_scaling_is_what_keda_takes_and_counts_what_each_role_reads(rendered: Rendered, keda: Path) -> None:
    crd = yaml.safe_load((keda / "config/crd/bases/keda.sh_scaledobjects.yaml").read_text())
    schema = _strict(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"])
    scaler = (keda / "pkg/scalers/kafka_scaler.go").read_text()
    known = set(re.findall(r'keda:"name=(\w+)', scaler)) | {
        f"{name}FromEnv" for name in re.findall(r'keda:"name=(\w+),[^"]*resolvedEnv', scaler)
    }
    scaled = [one for one in rendered["keda"] if one["kind"] == "ScaledObject"]
    assert {one["metadata"]["name"] for one in scaled} == {
        f"postbacks-{r}" for r in ("join", "outbound", "log")
    }
    settings = Settings()
    for one in scaled:
        spec, role = one["spec"], one["metadata"]["name"].removeprefix("postbacks-")
        Draft202012Validator(schema).validate(spec)
        assert spec["maxReplicaCount"] == settings.partitions
        [trigger] = spec["triggers"]
        assert trigger["metadata"].keys() <= known
        assert trigger["metadata"]["consumerGroup"] == f"{settings.prefix}-{role}"
        assert trigger["metadata"]["topic"] in read_by(role, settings)
        target = spec["scaleTargetRef"]
        [found] = [
            other
            for other in rendered["keda"]
            if (other["kind"], other["metadata"]["name"]) == (target["kind"], target["name"])
        ]
        assert "replicas" not in found["spec"], "two would count them"


def test_the_alert_rules_are_what_prometheus_takes_and_a_wrong_one_is_not(
    check: Check, tmp_path: Path
) -> None:
    assert check("rules", str(ALERTS)).stderr == ""
    broken = tmp_path / "alerts.yml"
    broken.write_text(ALERTS.read_text().replace("sum by (role, topic)", "sum by role"))
    refused = check("rules", str(broken))
    assert refused.returncode == 1
    assert "PostbacksLag" in refused.stderr or "parse error" in refused.stderr


def test_alerts_and_boards_ask_for_metrics_and_labels_that_workers_tell(check: Check) -> None:
    queries = [rule["expr"] for rule in rules()] + board_queries()
    assert len(queries) > 40
    done = check("queries", stdin=json.dumps(queries))
    assert done.returncode == 0, done.stderr
    told = told_metrics()
    for query, asked in zip(queries, json.loads(done.stdout), strict=True):
        assert asked["metrics"], query
        assert set(asked["metrics"]) <= told.keys(), query
        labels = {label for metric in asked["metrics"] for label in told[metric]}
        assert set(asked["labels"]) <= labels | {"job", "instance"}, query
