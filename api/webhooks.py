"""The route of the tenant's webhook secret."""

from flask import Blueprint

from api.services import services

webhooks = Blueprint("webhooks", __name__, url_prefix="/v1/webhooks")


@webhooks.get("/secret")
def secret() -> dict[str, str]:
    """What the webhooks of jobs without a secret of their own are signed with."""
    return {"secret": services().webhook_secret}
