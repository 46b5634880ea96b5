"""Writes the JSON files of the Grafana dashboards."""

from deploy.observability.dashboards.catalogue import as_files

for path, text in as_files().items():
    path.write_text(text)
