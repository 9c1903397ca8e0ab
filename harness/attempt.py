"""One attempt at a job, by the process that has claimed it: it ends with a record, or at least with a last word."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ground import stopping
from ground.errors import StorageError, UserError
from ground.files import storage_errors, write_json
from ground.progress import Report
from ground.stopping import Stopped
from harness import allocation, claims, failures, provenance, records, work
from harness.endings import End
from harness.jobs import Job
from harness.progress import Progress
from harness.ranks import NODE_FAULTS, Ranks, Watch

Status = Literal["done", "failed"]
Error = dict[str, str]
"""``kind``, ``message``."""
LATE_SECONDS = 5.0
"""How long a fault of another process may take to be seen, that this one has only heard the echo of."""
TAKEN_OVER = "another process has taken the job over"


class Attempt:
    """Does a job, once.

    Args:
        claim: held for it; at rest afterwards.
        ranks: of the processes that do it together, this one being the first; None if it is alone.
    """

    def __init__(self, job: Job, directory: Path, claim: claims.Claim, ranks: Ranks | None = None) -> None:
        self.job, self.directory, self.claim, self.ranks = job, directory, claim, ranks
        self.started, self.progress = now(), Progress(directory, claim)
        self._began, self._place = time.monotonic(), allocation.here()
        self._closing = threading.Lock()

    def run(self) -> Status:
        """Do it, and write down what came of it.

        Raises:
            StorageError: that cannot be written.
            Stopped: asked to stop or taken over; there is no record.
        """
        words = f"{self.job.title} (seed {self.job.seed}, pid {os.getpid()})"
        print(f"{now()} attempt {self.claim.number}: {words}", flush=True)
        watch = Watch(self.ranks, self._fail_at_once)
        try:
            metrics, error = self._work(watch)
            status = self._record(metrics, error)
        except Stopped as stop:
            stopping.deafen()
            self._leave(str(stop))
            raise
        except UserError as fault:  # of the store: there is no record
            self._end(outcome="failed", kind=fault.kind, message=str(fault))
            raise
        self._end(outcome=status, **(error or {}))
        return status

    def _work(self, watch: Watch) -> tuple[Mapping[str, float], Error | None]:
        """Let the room do it; the metrics, or what went wrong."""
        try:
            metrics, error = doing(self.job, self.directory, self.progress)
            if error and self.ranks and error["kind"] in NODE_FAULTS:  # the echo of what went wrong elsewhere?
                error = self.ranks.fault(LATE_SECONDS) or error
        finally:
            self._closing.acquire()  # from here on it is this thread that writes
            watch.rest()
        return metrics, error

    def _fail_at_once(self, error: Error) -> None:
        """In the watching thread: another process has failed, and the room waits for it in vain, deaf to everything."""
        if not self._closing.acquire(blocking=False):
            return
        print(f"{now()} another process of the job has failed", flush=True)
        try:
            self._record({}, error)
            self._end(outcome="failed", **error)
        except (Stopped, StorageError) as fault:
            print(f"{now()} {fault}", flush=True)
        finally:
            sys.stdout.flush()
            os._exit(1)

    def _record(self, metrics: Mapping[str, float], error: Error | None) -> Status:
        job, directory, progress = self.job, self.directory, self.progress
        if error:
            print(f"{now()} failed: {error['kind']}: {error['message']}", flush=True)
        progress.show()
        if not self.claim.holds():
            raise Stopped(TAKEN_OVER)
        with storage_errors(directory):
            curve = progress.curve.close()
        status: Status = "failed" if error else "done"
        others = self.ranks.others() if self.ranks and not error else []
        seconds, waited = progress.seconds(), progress.waited()
        timings = {"started": self.started, "finished": now(), "attempts": self.claim.number}
        timings |= {"seconds": round(seconds, 3)} | ({} if waited is None else {"waited": round(waited, 3)})
        record = {
            "schema": records.SCHEMA,
            "status": status,
            **{name: value for name, value in job.to_json().items() if name != "schema"},
            "tool": work.tool_of(job),
            "parents": work.parent_keys(job),
            "metrics": {name: float(value) for name, value in metrics.items()},
            "curve": curve,
            "outputs": {} if error else work.hashes(directory),
            "timings": timings,
            "host": provenance.host() | ({"others": others} if others else {}),
            "device": provenance.device(job.threads),
            "processes": self.ranks.world if self.ranks else 1,
            "versions": provenance.versions(),
            "code": provenance.code(),
            "error": error,
        }
        write_json(directory / "record.json", {**record, "digest": provenance.signed(record)})
        spent = f"{seconds:.1f} s" + ("" if waited is None else f", {waited:.1f} of them waiting for images,")
        print(f"{now()} {status} after {spent} {json.dumps(record['metrics'])}", flush=True)
        return status

    def _leave(self, reason: str) -> None:
        """The last word of one who was stopped; and, where time was up, a wish to be started anew."""
        number = reason if reason in signal.Signals.__members__ else ""
        self.progress.show()
        # Who was told to go was cancelled, or Slurm itself starts it anew.
        again = self._place if number == "SIGUSR2" else None
        end = self._end(outcome="stopped", message=reason, signal=number, requeued=again is not None)
        if number == "SIGTERM" and self._place and allocation.in_grace(self._place):
            again, end = self._place, replace(end, requeued=True)
            self.claim.end(end)
        if again and (problem := allocation.requeue(again)):
            print(f"{now()} not requeued: {problem}", flush=True)
            self.claim.end(replace(end, requeued=False, message=f"{reason}; not requeued: {problem}"))

    def _end(self, **words: Any) -> End:
        slurm, restart = (self._place.id, self._place.restart) if self._place else ("", 0)
        seconds = round(time.monotonic() - self._began, 3)
        end = End(seconds=seconds, host=socket.gethostname(), slurm=slurm, restart=restart, **words)
        self.claim.end(end)
        return end


def doing(job: Job, directory: Path, report: Report) -> tuple[Mapping[str, float], Error | None]:
    """Let the room of a job do it; the metrics, or the class and the words of a failure.

    Raises:
        Stopped: asked to stop or taken over.
    """
    try:
        with storage_errors(directory):
            return work.do(job, directory, report), None
    except UserError as fault:
        if fault.kind == "data":  # a file mended in place changes no folder's time: the next plan looks anew
            work.cache_of(directory).clear()
        return {}, {"kind": fault.kind, "message": str(fault)}
    except Exception as fault:
        traceback.print_exc()
        if reason := stopping.pending():  # a reader of its data, or another process, was quicker to go
            raise Stopped(reason) from fault
        words = "".join(traceback.format_exception_only(fault)).strip()
        return {}, {"kind": failures.classify(fault), "message": words}


def now() -> str:
    """For the log and the record."""
    return datetime.now(UTC).isoformat(timespec="seconds")
