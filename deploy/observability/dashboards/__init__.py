"""Grafana dashboards as short descriptions. `python -m deploy.observability.dashboards` writes their JSON."""
