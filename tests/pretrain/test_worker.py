"""What a process of the loader is told changes no batch, and is undone by its end."""

import gc
import multiprocessing
import signal

from pretrain.views import worker


def begun(said):
    worker.begin(0)
    said.put((gc.get_freeze_count() > 1000, signal.getsignal(signal.SIGTERM) == signal.SIG_IGN))


def test_a_worker_looks_through_nothing_that_was_there_before_it_and_ends_with_who_it_reads_for():
    forking = multiprocessing.get_context("fork")
    said = forking.Queue()
    process = forking.Process(target=begun, args=(said,))
    process.start()
    assert said.get(timeout=60) == (True, True)
    process.join()
    assert gc.get_freeze_count() == 0
