from __future__ import annotations

import os
import signal
import threading

import pytest

from autotransfer.search.interrupts import SIGNALS, Interrupts, ended_like_interrupts


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def _default_handler() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_an_interrupt_within_a_held_block_comes_at_its_end() -> None:
    interrupts, done = Interrupts(), []
    with interrupts.watched():
        with pytest.raises(KeyboardInterrupt), interrupts.held():  # noqa: PT012
            with interrupts.held():
                _interrupt()
            done.append("inner")
            done.append("outer")
        assert done == ["inner", "outer"]
        with interrupts.held():  # it came once
            pass


def test_an_interrupt_elsewhere_comes_at_once() -> None:
    interrupts = Interrupts()
    with interrupts.watched(), pytest.raises(KeyboardInterrupt):  # noqa: PT012
        _interrupt()
        pytest.fail("the interrupt did not come")


def test_a_second_interrupt_is_not_held_back() -> None:
    interrupts, done = Interrupts(), []
    with interrupts.watched(), pytest.raises(KeyboardInterrupt), interrupts.held():  # noqa: PT012
        _interrupt()
        done.append("held")
        _interrupt()
        done.append("not held")
    assert done == ["held"]


def test_afterwards_interrupts_are_what_they_were() -> None:
    with Interrupts().watched():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_and_ignored_interrupts_are_left_alone() -> None:
    found = []

    def work() -> None:
        with Interrupts().watched(), Interrupts().held():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupts().watched():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize("number", SIGNALS)
def test_whatever_asks_the_process_to_end_is_an_interrupt(number: signal.Signals) -> None:
    before, interrupts, done = signal.getsignal(number), Interrupts(), []
    with ended_like_interrupts():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        with interrupts.watched(), pytest.raises(KeyboardInterrupt), interrupts.held():  # noqa: PT012
            os.kill(os.getpid(), number)
            done.append("held")
    assert done == ["held"]
    assert signal.getsignal(number) is before


def test_a_signal_that_somebody_ignores_or_handles_is_theirs() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does
    try:
        with ended_like_interrupts(), Interrupts().watched():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_ignored_interrupts_leave_the_other_signals_watched() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what a shell does for a job behind `&`
    with ended_like_interrupts(), Interrupts().watched() as _:
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) not in {signal.SIG_DFL, signal.default_int_handler}
