"""Describes the Grafana dashboards in Python. `python -m deploy.observability.dashboards` writes their JSON files."""
