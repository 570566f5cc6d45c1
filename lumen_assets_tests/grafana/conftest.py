"""A Grafana on loopback."""

from lumen_assets_tests.alerting.conftest import no_proxy, receiver

__all__ = ["no_proxy", "receiver"]
