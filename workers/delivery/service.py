"""Carries out one delivery: a job's manifest or its webhook. Knows nothing of Celery."""

import random
from dataclasses import dataclass, field

import structlog

from shared.answers import job_answer
from shared.errors import GridpressError, JobNotFound
from shared.objects import ObjectStore
from shared.settings import Settings
from shared.store.deliveries import Delivery, DeliveryStore
from shared.store.jobs import JobStore
from shared.webhooks.secrets import secret_of, webhook_secret
from workers.delivery.manifest import write_manifest
from workers.delivery.schedule import MANIFEST_DELAYS_S, RETRY_DELAYS_S, retry_delay_s
from workers.delivery.webhook import NotDelivered, WebhookSender, event_id, payload

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeliveryService:
    """Claims what is due, one at a time, and says in the store how it went."""

    deliveries: DeliveryStore
    jobs: JobStore
    objects: ObjectStore
    sender: WebhookSender
    settings: Settings
    rng: random.Random = field(default_factory=random.Random)

    def deliver_one(self) -> bool:
        """Returns whether anything was due. Raises `StoreUnavailable` when the store does not answer."""
        delivery = self.deliveries.claim()
        if delivery is None:
            return False
        try:
            self._carry_out(delivery)
        except JobNotFound as error:
            self.deliveries.abandon(delivery, str(error))
        except NotDelivered as error:
            self._after_failure(delivery, error, is_final=error.is_gone)
        except GridpressError as error:
            self._after_failure(delivery, error, is_final=False)
        except Exception as error:
            log.exception("delivery.crashed", delivery_id=delivery.delivery_id)
            self._after_failure(delivery, error, is_final=False)
        else:
            self.deliveries.delivered(delivery)
            log.info("delivery.done", delivery_id=delivery.delivery_id, attempt=delivery.attempt)
        return True

    def _carry_out(self, delivery: Delivery) -> None:
        job = self.jobs.job_of_any_tenant(delivery.job_id)
        answer = job_answer(job, self.settings.public_url, self.settings.served_model_name)
        if delivery.kind == "manifest":
            write_manifest(self.objects, job, answer)
            return
        assert job.spec.webhook_url
        assert job.finished_at
        self.sender.send(
            job.spec.webhook_url,
            job.spec.webhook_secret or secret_of(job.spec.tenant, webhook_secret(self.settings)),
            event_id(delivery.job_id, delivery.event_type, delivery.revival),
            payload(delivery.event_type, job.finished_at, answer),
        )

    def _after_failure(self, delivery: Delivery, error: Exception, *, is_final: bool) -> None:
        delays_s = MANIFEST_DELAYS_S if delivery.kind == "manifest" else RETRY_DELAYS_S
        delay_s = None if is_final else retry_delay_s(delays_s, delivery.attempt, self.rng)
        log.warning("delivery.failed", delivery_id=delivery.delivery_id, attempt=delivery.attempt, error=str(error))
        if delay_s is None:
            self.deliveries.abandon(delivery, str(error))
        else:
            self.deliveries.retry_later(delivery, str(error), delay_s)
