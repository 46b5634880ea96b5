"""Assembles the Flask app."""

from flask import Flask

from api.batches.events import batch_events
from api.batches.links import batch_links
from api.batches.names import BatchName
from api.batches.results import batch_results
from api.batches.routes import batches
from api.dead_letters.routes import dead_letters
from api.edge import cors, idempotency, proxies, request_ids, request_metrics
from api.edge.callers import admit, tell_standings
from api.edge.local_only import check_origin_of_request
from api.edge.query_text import check_query
from api.edge.revocation import guard_stream
from api.edge.security_headers import harden
from api.files.routes import files
from api.jobs.events import events
from api.jobs.grids import grids
from api.jobs.names import resolve_name
from api.jobs.pictures import images
from api.jobs.previews import previews
from api.jobs.routes import jobs
from api.openai.routes import openai_images
from api.openapi.route import openapi
from api.problems import handlers as problems
from api.server import incoming
from api.service.docs_page import docs
from api.service.health import health
from api.service.stats import stats
from api.services import Services
from api.webhooks.endpoints import webhook_endpoints
from api.webhooks.log import webhook_log
from api.webhooks.secrets import webhooks
from api.zai.routes import PREFIXES as ZAI_PREFIXES
from api.zai.routes import zai


def create_app(house: Services) -> Flask:
    """Returns an app over these services. One process may hold any number of apps."""
    app = Flask("gridpress", static_folder=None)
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False
    app.url_map.converters["batch"] = BatchName
    house.attach_to(app.extensions)
    problems.register(app)
    request_ids.install(app)
    request_metrics.install(app)
    app.before_request(check_origin_of_request)
    cors.install(app, house.settings)
    app.before_request(admit)
    app.before_request(check_query)
    app.after_request(guard_stream)
    app.after_request(tell_standings)
    incoming.install(app, house.settings, house.quotas.held_bytes)
    idempotency.install(app)
    app.before_request(resolve_name)
    app.after_request(harden)
    for blueprint in (
        jobs,
        images,
        grids,
        previews,
        events,
        dead_letters,
        files,
        batches,
        batch_results,
        batch_events,
        batch_links,
        webhooks,
        webhook_endpoints,
        webhook_log,
        health,
        stats,
        openai_images,
        openapi,
        docs,
    ):
        app.register_blueprint(blueprint)
    for prefix in ZAI_PREFIXES:
        app.register_blueprint(zai, url_prefix=prefix, name=f"zai{prefix.replace('/', '_')}")
    proxies.install(app, house.settings)
    return app
