"""Wakes readers that wait for changes of a job or batch, with one subscription for each process. It reads no state."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import redis
import structlog
from redis.client import PubSub

from shared.batches.batch import BatchId
from shared.ids import JobId, TenantId, new_holder_id
from shared.process.background import Background
from shared.store.core.connect import Client

log = structlog.get_logger()

# followed by the job or batch: shared/store/core/events.lua and batches/lines.lua publish there
_CHANNEL = "gridpress:events:"
_TICK_S = 1.0  # interval at which channels without a watch are unsubscribed
_RETRY_S = 0.5
_SAFETY_S = 5.0  # longest delay of a reader whose message was lost
_MOST_UNANSWERED = 2  # health checks without a response, ten seconds apart


class Watch:
    """Lets one reader wait for changes of a job or batch.

    A watch reports only changes after its creation. So the reader must read the state once after creating the watch.
    """

    def __init__(self) -> None:
        self._changed_event = threading.Event()
        self._next_look_at = time.monotonic() + _SAFETY_S

    def wait(self, timeout_s: float) -> bool:
        """Waits for a change of the job or batch. Returns True when the reader should read the state, and False after
        the timeout.

        A message about a change may be lost. So this method also returns True if no message has come for 5 s.
        """
        until_look_s = max(0.0, self._next_look_at - time.monotonic())
        if not self._changed_event.wait(min(timeout_s, until_look_s)) and timeout_s < until_look_s:
            return False
        self._changed_event.clear()
        self._next_look_at = time.monotonic() + _SAFETY_S
        return True

    def tell(self) -> None:
        self._changed_event.set()


class EventHub:
    """Manages all watches of a process. With a watch, a reader waits for changes of a job or batch.

    When the first watch is created, a thread starts. It subscribes to the changes over one connection of `client`.

    Redis may lose a message. So the hub wakes a watch when the subscription for it begins, also after a lost
    connection. In addition every watch wakes by itself every few seconds.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        # channel on which messages wake the thread that owns the connection
        self._call = f"gridpress:watch:{new_holder_id()}"
        self._lock = threading.Lock()
        self._watches: dict[str, set[Watch]] = {}
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._thread: Background | None = None

    def watch_all(self, tenant: TenantId) -> AbstractContextManager[Watch]:
        """Returns a context manager that yields a watch for all jobs of a tenant.

        It reports changes only while the tenant is followed (shared/store/jobs/activity.py).
        """
        return self._watched(f"{_CHANNEL}tenant:{tenant}")

    def watch(self, subject: JobId | BatchId) -> AbstractContextManager[Watch]:
        """Returns a context manager that yields a watch, with which a reader waits for changes of the job or batch in
        the body of the `with` statement. A job or batch may have any number of watches.
        """
        return self._watched(_CHANNEL + subject)

    @contextmanager
    def _watched(self, channel: str) -> Iterator[Watch]:
        watch = Watch()
        self._add(channel, watch)
        try:
            yield watch
        finally:
            self._remove(channel, watch)

    def wake_all(self) -> None:
        """Wakes all watches, for example when the server stops."""
        with self._lock:
            watches = [watch for group in self._watches.values() for watch in group]
        for watch in watches:
            watch.tell()

    def close(self) -> None:
        """Ends the subscription and wakes all watches. A watch that waits after this gets no messages: it wakes only
        every 5 s.
        """
        self._closed.set()
        self.wake_all()
        if self._thread:
            self._call_thread()
            self._thread.join()

    def _add(self, channel: str, watch: Watch) -> None:
        with self._lock:
            is_new = channel not in self._watches
            self._watches.setdefault(channel, set()).add(watch)
            if not self._thread and not self._closed.is_set():
                self._thread = Background("event-hub", self._run, self._closed.is_set)
                self._thread.start()
        if is_new and not self._changed.is_set():
            self._changed.set()
            self._call_thread()

    def _remove(self, channel: str, watch: Watch) -> None:
        with self._lock:
            self._watches[channel].discard(watch)
            if not self._watches[channel]:
                del self._watches[channel]

    def _call_thread(self) -> None:
        """Sends a Redis message that wakes the thread of this object. The thread waits for messages, and wakes within 1
        s by itself if this message is lost.
        """
        with suppress(redis.RedisError):
            self._client.publish(self._call, "")

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                with PubSub(self._client.connection_pool) as feed:
                    self._listen(feed)
            except redis.RedisError as error:
                log.warning("watch.lost", error=str(error))
                self._closed.wait(_RETRY_S)

    def _listen(self, feed: PubSub) -> None:
        feed.subscribe(self._call)
        subscribed: set[str] = set()
        self._changed.set()
        while not self._closed.is_set():
            if self._changed.is_set():
                subscribed = self._follow(feed, subscribed)
            message = feed.get_message(timeout=_TICK_S)
            self._pass_on(message)
            # After an idle tick the thread unsubscribes from channels without a watch. No message asks for that.
            if message is None:
                self._changed.set()
            if feed.health_check_response_counter > _MOST_UNANSWERED:
                raise redis.ConnectionError("the subscription is not answered")

    def _follow(self, feed: PubSub, subscribed: set[str]) -> set[str]:
        """Subscribes to the channels of all watched jobs and batches, and unsubscribes from all other channels. Returns
        the channels to which it is subscribed now.
        """
        with self._lock:
            self._changed.clear()
            watched = set(self._watches)
        if watched - subscribed:
            feed.subscribe(*(watched - subscribed))
        if subscribed - watched:
            feed.unsubscribe(*(subscribed - watched))  # type: ignore[no-untyped-call]
        return watched

    def _pass_on(self, message: dict[str, Any] | None) -> None:
        if message and message["type"] in ("message", "subscribe"):
            with self._lock:
                watches = list(self._watches.get(message["channel"], ()))
            for watch in watches:
                watch.tell()
