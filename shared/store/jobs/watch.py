"""Wakes readers that wait for a job or batch when it changes: one subscription per process. Reads no state."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis
import structlog
from redis.client import PubSub

from shared.batches.batch import BatchId
from shared.ids import JobId, new_holder_id
from shared.process.background import Background
from shared.store.core.connect import Client

log = structlog.get_logger()

_CHANNEL = "gridpress:events:"  # and the job or batch: shared/store/core/common.lua publishes there
_TICK_S = 1.0  # after which channels that nobody watches any more are left
_RETRY_S = 0.5
_SAFETY_S = 5.0  # what a message that never came costs
_MOST_UNANSWERED = 2  # health checks, ten seconds apart


class Watch:
    """One waiting reader. It must read the state once after creating this: earlier changes are not reported."""

    def __init__(self) -> None:
        self._told = threading.Event()
        self._next_look_at = time.monotonic() + _SAFETY_S

    def wait(self, timeout_s: float) -> bool:
        """Waits for a change. Returns True when the state should be read, False when the time is over."""
        until_look_s = max(0.0, self._next_look_at - time.monotonic())
        if not self._told.wait(min(timeout_s, until_look_s)) and timeout_s < until_look_s:
            return False
        self._told.clear()
        self._next_look_at = time.monotonic() + _SAFETY_S
        return True

    def tell(self) -> None:
        self._told.set()


class EventHub:
    """All watches of a process. A thread subscribes for them over one connection of `client`, from the first watch on.

    A message may be lost. So every watch is woken when its subscription begins, also after a lost connection, and reads
    the state by itself every few seconds.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._call = f"gridpress:watch:{new_holder_id()}"  # how the thread that owns the connection is called
        self._lock = threading.Lock()
        self._watches: dict[str, set[Watch]] = {}
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._thread: Background | None = None

    @contextmanager
    def watch(self, subject: JobId | BatchId) -> Iterator[Watch]:
        """Creates a watch for the block. Any number of watches may have the same subject."""
        channel, watch = _CHANNEL + subject, Watch()
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
        """Ends the subscription and wakes all watches. Later watches only wake by the clock."""
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
        """Wakes the thread by a message, since it waits for the store. If that is lost, it wakes at its next tick."""
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
            if message is None:  # nobody calls for a channel to be left: it must not hide a call for a new one
                self._changed.set()
            if feed.health_check_response_counter > _MOST_UNANSWERED:
                raise redis.ConnectionError("the subscription is not answered")

    def _follow(self, feed: PubSub, subscribed: set[str]) -> set[str]:
        """Subscribes to the watched channels and unsubscribes from all others. Returns the subscribed channels."""
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
