"""What deploy/ asks of Prometheus, and what workers tell it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import PROCESS_COLLECTOR
from prometheus_client.metrics import MetricWrapperBase

from app.kit import metrics

_DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = _DEPLOY / "prometheus" / "alerts.yml"
_BOARDS = _DEPLOY / "grafana" / "boards"


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def board_queries() -> list[str]:
    """The PromQL of every board, Grafana's own variables replaced by what they may be."""
    found = []
    for path in sorted(_BOARDS.glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            found += [target["expr"] for target in panel.get("targets", []) if "expr" in target]
    return [re.sub(r"\$__(rate_)?interval", "5m", query) for query in found]


def told_metrics() -> dict[str, set[str]]:
    """The names in `/metrics` with their labels: of our registry, of the process, and Prometheus' own."""
    told: dict[str, set[str]] = {"up": set()}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            for name in names_of(metric._name, str(metric._type)):
                told[name] = {*metric._labelnames, *(["le"] if name.endswith("_bucket") else [])}
    for family in PROCESS_COLLECTOR.collect():
        told |= {sample.name: set(sample.labels) for sample in family.samples}
    return told


def names_of(name: str, kind: str) -> list[str]:
    """The names of a metric's samples."""
    if kind == "histogram":
        return [f"{name}_bucket", f"{name}_sum", f"{name}_count"]
    return [f"{name}_total" if kind == "counter" else name]
