"""Assembles the Flask app: its error handlers, the hooks around every request, and all routes."""

from flask import Flask

from api.access.keys import keys
from api.access.limits import limits
from api.activity.events import activity
from api.batches.events import batch_events
from api.batches.links import batch_links
from api.batches.results import batch_results
from api.batches.routes import batches
from api.batches.url_converter import BatchName
from api.bodies import incoming
from api.dead_letters.routes import dead_letters
from api.edge import audit as audit_hooks
from api.edge import compression, cors, idempotency, proxies, request_ids, request_metrics, trailing_slashes
from api.edge.authentication import add_limit_fields, admit
from api.edge.keyless_access import check_origin_of_request
from api.edge.query_text import check_query
from api.edge.revocation import guard_stream
from api.edge.security_headers import add_security_headers
from api.files.routes import files
from api.jobs.bulk_cancel import bulk_cancel
from api.jobs.client_ids import resolve_client_id
from api.jobs.estimate import estimates
from api.jobs.events import events
from api.jobs.grids import grids
from api.jobs.inputs import inputs
from api.jobs.picture_links import picture_links
from api.jobs.pictures import images
from api.jobs.previews import previews
from api.jobs.routes import jobs
from api.jobs.validation import validation
from api.openai.routes import openai_images
from api.operators.audit import audit
from api.operators.draining import draining
from api.operators.models import model_rules
from api.operators.pauses import pauses
from api.operators.requeue import requeue
from api.problems import handlers as problems
from api.service.docs_page import docs
from api.service.health import health
from api.service.openapi_route import openapi
from api.service.stats import stats
from api.service.workers import workers
from api.services import Services
from api.studio.page import studio
from api.studio.session import session
from api.tenants.bucket import tenant_bucket
from api.tenants.data import tenant_data
from api.tenants.limits import tenant_limits
from api.tenants.retention import retention
from api.tenants.tenants import tenants
from api.tenants.usage import usage
from api.webhooks.endpoints import webhook_endpoints
from api.webhooks.log import webhook_log
from api.webhooks.secrets import webhooks
from api.zai.routes import PREFIXES as ZAI_PREFIXES
from api.zai.routes import zai


def create_app(deps: Services) -> Flask:
    """Returns a Flask app that uses the given services. One process may create any number of apps."""
    app = Flask("gridpress", static_folder=None)
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False
    app.url_map.converters["batch"] = BatchName
    deps.attach_to(app.extensions)
    compression.install(app)
    problems.register(app)
    request_ids.install(app)
    request_metrics.install(app)
    app.before_request(check_origin_of_request)
    cors.install(app, deps.settings)
    app.before_request(admit)
    app.before_request(check_query)
    app.after_request(guard_stream)
    app.after_request(add_limit_fields)
    incoming.install(app, deps.settings, deps.quotas.held_bytes)
    idempotency.install(app)
    audit_hooks.install(app)
    app.before_request(resolve_client_id)
    app.after_request(add_security_headers)
    for blueprint in (
        estimates,
        bulk_cancel,
        validation,
        jobs,
        activity,
        images,
        picture_links,
        inputs,
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
        workers,
        limits,
        retention,
        tenants,
        tenant_limits,
        tenant_bucket,
        keys,
        tenant_data,
        audit,
        pauses,
        usage,
        draining,
        requeue,
        model_rules,
        session,
        studio,
        openai_images,
        openapi,
        docs,
    ):
        app.register_blueprint(blueprint)
    for prefix in ZAI_PREFIXES:
        app.register_blueprint(zai, url_prefix=prefix, name=f"zai{prefix.replace('/', '_')}")
    trailing_slashes.install(app)
    proxies.install(app, deps.settings)
    return app
