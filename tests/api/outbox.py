"""What the outbox would have recorded: messages and attempts, put into the store as it puts them."""

from shared.store.core.connect import Client

AT_MS = 1_767_225_600_000  # 2026-01-01


def a_message(
    client: Client,
    message_id: str,
    tenant: str = "default",
    *,
    type_: str = "job.failed",
    job: str = "",
    at_ms: int = AT_MS,
    **to: str,
) -> str:
    """`to` are destinations and how far it came there."""
    fields = {"tenant": tenant, "type": type_, "job": job, "at_ms": at_ms, "sequence": 1}
    client.hset(
        f"gridpress:message:{message_id}", mapping={**fields, **{f"to:{name}": how for name, how in to.items()}}
    )
    client.zadd(f"gridpress:messages:{tenant}", {message_id: at_ms})
    return message_id


def an_attempt(client: Client, of: str, number: int, *, destination: str = "ep_1", status: str = "503") -> None:
    """Number `number`, of an endpoint's, a job's or a message's log."""
    fields = {
        "message": "evt_1",
        "type": "job.failed",
        "job": "job_1",
        "destination": destination,
        "url": "https://a.example/",
        "attempt": number,
        "at_ms": AT_MS + number,
        "latency_ms": 31,
        "status": status,
        "error": "" if status == "200" else "receiver answered 503",
        "answer": "busy",
    }
    client.xadd(f"gridpress:attempts:{of}", fields)


def due(client: Client, destination: str) -> set[str]:
    """Messages that wait to be sent there."""
    return set(client.zrange(f"gridpress:due:{destination}", 0, -1))


def settle(client: Client, message_id: str, destination: str, how: str, at_ms: int = AT_MS) -> None:
    """Delivered or abandoned: nothing more is due there."""
    client.zrem(f"gridpress:due:{destination}", message_id)
    client.hset(f"gridpress:message:{message_id}", f"to:{destination}", how)
    if how == "abandoned":
        client.zadd(f"gridpress:failed:{destination}", {message_id: at_ms})
