"""The process of one slot: `python -m autotransfer.search.executors.worker FILE_DESCRIPTOR`.

It gets a worker context, then requests, over the connection that it inherited from the driver, and
answers each. What goes over it is pickled: both ends are this program, and nobody else has the
other end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from multiprocessing.connection import Connection

import optuna
import torch

from autotransfer.search.executors.worker_context import TrialRequest, Worker, WorkerContext

_LOOK_SECONDS = 1.0


def main(descriptor: int) -> None:
    """Answer requests until the driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the driver to decide about
    warnings.simplefilter("ignore")  # the driver has said it
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    threading.Thread(target=_follow, args=[os.getppid()], daemon=True).start()
    connection = Connection(descriptor)
    try:
        worker_context = connection.recv()
        assert isinstance(worker_context, WorkerContext)
        worker = Worker(worker_context)
        while True:
            request = connection.recv()
            assert isinstance(request, TrialRequest)
            connection.send(worker.run(request))
    except (EOFError, OSError):
        return


def _follow(driver: int) -> None:
    """End with the driver, even where it was killed while a trial runs."""
    while os.getppid() == driver:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
