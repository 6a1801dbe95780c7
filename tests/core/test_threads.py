"""Who waits for the model has it before those who ask again."""

from __future__ import annotations

import threading

from affectscope.core.threads import Turns

ROUNDS = 2000


def test_who_waits_comes_before_who_asks_again() -> None:
    turns, began, order = Turns(), threading.Event(), list[str]()

    def again_and_again() -> None:
        for _ in range(ROUNDS):
            with turns:
                order.append("again")
                if not began.is_set():
                    began.set()
                    while not waits():
                        pass

    def waits() -> bool:
        return len(turns._waiting) > 1

    def once() -> None:
        began.wait()
        with turns:
            order.append("once")

    threads = [threading.Thread(target=again_and_again), threading.Thread(target=once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order.index("once") == 1
    assert len(order) == ROUNDS + 1


def test_one_at_a_time() -> None:
    turns, inside, most = Turns(), list[int](), list[int]()

    def work(number: int) -> None:
        for _ in range(200):
            with turns:
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 800
    assert max(most) == 1


def test_an_error_inside_gives_the_turn_back() -> None:
    turns = Turns()
    try:
        with turns:
            raise ValueError
    except ValueError:
        pass
    with turns:
        pass
