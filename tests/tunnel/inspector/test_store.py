"""What is kept, and for how long."""

from __future__ import annotations

import threading
from typing import Any, cast

from tunnel.inspector.exchanges import Content, Exchange
from tunnel.inspector.frames import FrameLog
from tunnel.inspector.news import News
from tunnel.inspector.options import InspectorOptions
from tunnel.inspector.store import Store
from tunnel.protocol.frames import FrameType

NOBODY = cast(Any, None)  # who answers an exchange: nobody is asked here


def make_store(**limits: int) -> Store:
    return Store(InspectorOptions(**limits), News())


def grow(store: Store, exchange: Exchange, data: bytes) -> None:
    with store.news.lock:
        limit = 0 if exchange.is_forgotten else store.options.max_body_bytes
        store.changed(exchange, exchange.response_content.add(data, limit))


def numbers(store: Store) -> list[int]:
    return [each.number for each in store.all()[2]]


def test_the_oldest_goes_when_there_are_too_many() -> None:
    store = make_store(max_exchanges=3)
    for _ in range(5):
        store.add(NOBODY)
    assert numbers(store) == [3, 4, 5]
    assert store.all()[1] == 3
    assert store.get(2) is None


def test_the_oldest_goes_when_they_hold_too_much() -> None:
    store = make_store(max_bytes=100_000, max_body_bytes=60_000)
    first, second = store.add(NOBODY), store.add(NOBODY)
    grow(store, first, bytes(60_000))
    assert numbers(store) == [1, 2]
    grow(store, second, bytes(60_000))
    assert numbers(store) == [2]
    assert store.size_bytes < 100_000


def test_what_was_thrown_away_keeps_no_more_of_what_passes() -> None:
    store = make_store(max_exchanges=1)
    first = store.add(NOBODY)
    store.add(NOBODY)
    before = store.size_bytes
    grow(store, first, bytes(5000))
    assert (len(first.response_content.kept), first.response_content.total_bytes) == (0, 5000)
    assert store.size_bytes == before


def test_all_that_is_thrown_away_is_no_longer_counted() -> None:
    store = make_store()
    grow(store, store.add(NOBODY), bytes(1000))
    store.clear()
    assert (store.size_bytes, numbers(store), store.all()[1]) == (0, [], 2)


def test_content_is_kept_up_to_its_limit_and_counted_to_its_end() -> None:
    content = Content()
    assert [content.add(bytes(size), 10) for size in (4, 4, 4, 4)] == [4, 4, 2, 0]
    assert (len(content.kept), content.total_bytes, content.is_truncated) == (10, 16, True)


def test_only_what_has_changed_is_told_again() -> None:
    store = make_store()
    first, _ = store.add(NOBODY), store.add(NOBODY)
    version, _, _ = store.all()
    grow(store, first, b"x")
    assert [each.number for each in store.all(version)[2]] == [1]


def test_a_copy_does_not_change_with_what_it_was_made_of() -> None:
    store = make_store()
    exchange = store.add(NOBODY)
    grow(store, exchange, b"antes")
    copy = store.get(1)
    grow(store, exchange, b"despues")
    assert copy is not None
    assert bytes(copy.response_content.kept) == b"antes"


def test_who_waits_is_woken_by_a_change_and_by_the_end() -> None:
    news = News()
    seen: list[int] = []
    waiter = threading.Thread(target=lambda: seen.append(news.wait(0, 30)))
    waiter.start()
    with news.lock:
        news.count()
    waiter.join(10)
    assert seen == [1]
    waiter = threading.Thread(target=lambda: seen.append(news.wait(1, 30)))
    waiter.start()
    news.end()
    waiter.join(10)
    assert seen == [1, 1]


def test_frames_and_streams_that_are_over_are_bounded() -> None:
    log = FrameLog(50, News())
    book = log.new_link("ws://127.0.0.1:8123")
    for number in range(1, 2000):
        for kind in (FrameType.OPEN, FrameType.END):
            book.frame(False, kind, number, b"\x01" if kind is FrameType.OPEN else b"", None)
        book.frame(True, FrameType.END, number, b"", None)
    assert len(log.frames(0, 10_000)) == 50
    ((link, streams),) = log.links()
    assert link.frames_in == 2 * 1999
    assert len(streams) <= 600
    assert streams[0].stream_id == 1999
