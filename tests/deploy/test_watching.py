"""What watches in the compose file: Prometheus finds the services, and Grafana finds Prometheus and the dashboards."""

import json
from pathlib import PurePosixPath
from typing import Any, cast

import pytest
import yaml

from .reading import ROOT, services
from .test_compose import address, option, words

GRAFANA = ROOT / "deploy" / "grafana"


def read(path: str) -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.safe_load((ROOT / "deploy" / path).read_text()))


def mounts(name: str) -> dict[PurePosixPath, str]:
    """What a service sees of this repository: the path in the container, and the folder here."""
    pairs = [str(volume).split(":")[:2] for volume in services()[name]["volumes"]]
    return {PurePosixPath(target): source for source, target in pairs if source.startswith(".")}


def names_of(service: str) -> set[str]:
    """The names under which the others reach a service."""
    aliases = services()[service].get("networks", {}).get("default", {}).get("aliases", ())
    return {service, *aliases}


def scraped() -> dict[str, dict[str, Any]]:
    return {job["job_name"]: job for job in read("prometheus/prometheus.yml")["scrape_configs"]}


def test_prometheus_reads_the_configuration_that_is_mounted() -> None:
    config = PurePosixPath(option(words("prometheus"), "--config.file") or "")
    folder = ROOT / mounts("prometheus")[config.parent]
    assert (folder / config.name).is_file()
    for pattern in read("prometheus/prometheus.yml")["rule_files"]:
        assert list(folder.glob(pattern))


def test_prometheus_keeps_what_it_scrapes_in_a_volume() -> None:
    kept = option(words("prometheus"), "--storage.tsdb.path")
    assert f"prometheus:{kept}" in services()["prometheus"]["volumes"]


@pytest.mark.parametrize("job", scraped())
def test_prometheus_asks_for_services_that_are_there_on_their_ports(job: str) -> None:
    for found in scraped()[job]["dns_sd_configs"]:
        for name in found["names"]:
            behind = [service for service in services() if name in names_of(service)]
            assert behind
            assert {address(service)[1] for service in behind} == {found["port"]}


def test_every_service_with_metrics_is_scraped() -> None:
    names = {name for job in scraped().values() for found in job["dns_sd_configs"] for name in found["names"]}
    for service in ("cogitate", "gateway", "prm", "generator"):
        assert names & names_of(service)


def test_grafana_asks_prometheus_where_it_listens() -> None:
    (source,) = read("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert (ROOT / mounts("grafana")[PurePosixPath("/etc/grafana/provisioning")]).resolve() == GRAFANA / "provisioning"


def test_grafana_finds_the_dashboards_and_opens_the_overview() -> None:
    (provider,) = read("grafana/provisioning/dashboards/cogitate.yaml")["providers"]
    folder = PurePosixPath(provider["options"]["path"])
    here = ROOT / mounts("grafana")[folder]
    home = PurePosixPath(services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == folder
    assert json.loads((here / home.name).read_text())["panels"]


def test_nobody_can_change_anything_in_grafana_and_it_has_no_password() -> None:
    told = services()["grafana"]["environment"]
    assert told["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert told["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == told["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert not [name for name in told if "PASSWORD" in name]
