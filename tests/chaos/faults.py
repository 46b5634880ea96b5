"""Carries faults out on a running service. Decides neither what nor when."""

import resource
from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

from tests.chaos.recovery import Recovery
from tests.chaos.schedule import FAR_WORKER, STORES, WORKERS, Fault, Kind
from tests.chaos.service import Service

End = Callable[[], None]


class Faults:
    """`begin` answers how a lasting fault ends, or None when there was nothing to hit. `num_while_loading` counts the
    faults that began while a stage was loading its model.
    """

    def __init__(self, service: Service, recovery: Recovery, *, hits_loading: bool = False) -> None:
        """`hits_loading`: whether a worker may be hit before it has said that it is ready."""
        self._hits_loading = hits_loading
        self.num_while_loading = 0
        self._service = service
        self._recovery = recovery

    def begin(self, fault: Fault) -> End | None:
        is_loading = self._service.is_loading
        end = self._begun(fault)
        self.num_while_loading += end is not None and is_loading
        return end

    def _begun(self, fault: Fault) -> End | None:
        if fault.role == "supervisor":
            return self._kill_supervisor()
        if fault.role in WORKERS and not (self._hits_loading or self._service.is_serving(fault.role)):
            return None
        match fault.kind:
            case Kind.KILL | Kind.TERM:
                return self._end_process(fault)
            case Kind.FREEZE:
                return self._freeze(fault.role)
            case Kind.CUT:
                self._service.network.cut(fault.role)
                return _nothing
            case Kind.SILENCE:
                return self._silence(fault)
            case Kind.FILL_DISK:
                return self._fill_disk(fault.role)

    def _kill_supervisor(self) -> End:
        self._recovery.disturbed()
        self._service.kill_supervisor()
        self._service.start()
        self._recovery.disturbed()
        return _nothing

    def _end_process(self, fault: Fault) -> End | None:
        pid = self._service.signal(fault.role, SIGKILL if fault.kind is Kind.KILL else SIGTERM)
        if pid is None:
            return None
        if fault.role in WORKERS:
            if fault.kind is Kind.KILL:
                self._recovery.worker_killed(pid, was_seen=fault.role != FAR_WORKER)
            else:
                self._recovery.worker_drains(pid)
        elif fault.role == "valkey-0":
            self._recovery.store_ended(pid)
        elif fault.role == "seaweedfs-0":
            self._recovery.objects_ended()
        elif fault.role == "upkeep-0":
            self._recovery.disturbed()
        return _nothing

    def _freeze(self, role: str) -> End | None:
        pid = self._service.signal(role, SIGSTOP)
        self._note_frozen(role)

        def thaw() -> None:
            if self._service.pid(role) == pid:
                self._service.signal(role, SIGCONT)
            self._note_frozen(role)

        return thaw if pid else None

    def _note_frozen(self, role: str) -> None:
        if role == "valkey-0":
            self._recovery.disturbed()
        elif role == "seaweedfs-0":
            self._recovery.objects_ended()

    def _silence(self, fault: Fault) -> End:
        """A worker that hears nothing has no slot for anybody; without a store nobody recovers."""
        heal = self._service.network.silence(fault.role, fault.way)
        pid = self._service.pid(fault.role)
        if fault.role in STORES:
            self._note_frozen(fault.role)
        elif pid and fault.role in WORKERS:
            self._recovery.worker_drains(pid)

        def end() -> None:
            heal()
            self._note_frozen(fault.role)
            if pid:
                self._recovery.worker_is_back(pid)

        return end

    def _fill_disk(self, role: str) -> End | None:
        """No file of the store may grow any more; its next process starts on a disk with room."""
        pid = self._service.pid(role)
        if pid is None:
            return None
        largest = max(file.stat().st_size for file in _open_files(pid))
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, hard))
        self._recovery.store_ended(pid)
        return _nothing


def _open_files(pid: int) -> list[Path]:
    links = Path(f"/proc/{pid}/fd").iterdir()
    targets = [link.readlink() for link in links]
    return [target for target in targets if target.is_file()]


def _nothing() -> None:
    """The fault ends by itself."""
