"""The route of the tenant's webhook secret."""

from flask import Blueprint

from api.callers import caller
from api.services import services
from shared.webhook_secret import secret_of

webhooks = Blueprint("webhooks", __name__, url_prefix="/v1/webhooks")


@webhooks.get("/secret")
def secret() -> dict[str, str]:
    """What the webhooks of jobs without a secret of their own are signed with."""
    return {"secret": secret_of(caller().tenant, services().webhook_secret)}
