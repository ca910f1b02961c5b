"""What is counted as it happens, and how many labels it takes."""

from __future__ import annotations

import pytest

from tunnel.metrics.books import LinkBook, RequestBook
from tunnel.metrics.model import BUCKETS_S, OTHERS, NameStatus, quantile_s


def by_name(book: RequestBook) -> dict[str, NameStatus]:
    return {name.name: name for name in book.read()}


def test_a_request_is_counted_under_the_name_that_was_claimed_and_never_under_what_a_visitor_wrote() -> None:
    book = RequestBook()
    book.expect(("ana.example", "*.luis.example"))
    for host in ("ana.example", "a.luis.example", "b.c.luis.example", "luis.example", "nadie.example", ""):
        book.answered(host, 200, 0.001)
    found = by_name(book)
    assert {name: one.answered for name, one in found.items()} == {
        "ana.example": 1, "*.luis.example": 2, OTHERS: 3
    }  # fmt: skip
    book.expect(("*",))
    book.answered("nadie.example", 200, 0.001)
    assert by_name(book)["*"].answered == 1


def test_names_past_the_limit_share_a_label() -> None:
    book = RequestBook(max_labels=3)
    names = [f"n{number}.example" for number in range(10)]
    for name in names:
        book.expect((name,))
        book.answered(name, 200, 0.001)
        book.failed(name, "no-client")
    found = by_name(book)
    assert set(found) == {*names[:3], OTHERS}
    assert (found[OTHERS].answered, found[OTHERS].faults) == (7, {"no-client": 7})


def test_labels_of_links_past_the_limit_share_one() -> None:
    book = LinkBook(max_labels=2)
    for label in ("a", "b", "c", "d", "a"):
        book.opened(label)
    assert {label: book.read(label).opened for label in book.labels()} == {"a": 2, "b": 1, OTHERS: 2}


@pytest.mark.parametrize(
    ("status", "kind"), [(101, "1xx"), (200, "2xx"), (304, "3xx"), (404, "4xx"), (599, "5xx")]
)
def test_statuses_are_counted_by_class(status: int, kind: str) -> None:
    book = RequestBook()
    book.expect(("a",))
    book.answered("a", status, 0.001)
    (name,) = book.read()
    assert name.requests == {kind: 1}


@pytest.mark.parametrize(
    ("seconds", "index"), [(0.0, 0), (0.005, 0), (0.0051, 1), (10.0, 10), (10.1, len(BUCKETS_S))]
)
def test_a_duration_is_in_the_bucket_whose_bound_it_does_not_exceed(seconds: float, index: int) -> None:
    book = RequestBook()
    book.answered("a", 200, seconds)
    (name,) = book.read()
    assert name.duration_counts[index] == 1
    assert sum(name.duration_counts) == 1
    assert name.duration_sum_s == seconds


def test_a_quantile_is_estimated_as_prometheus_does() -> None:
    counts = [0] * (len(BUCKETS_S) + 1)
    assert quantile_s(counts, 0.5) is None
    counts[1] = 10  # above 5 ms, up to 10 ms
    assert quantile_s(counts, 0.5) == pytest.approx(0.0075)
    counts[-1] = 90
    assert quantile_s(counts, 0.95) == BUCKETS_S[-1]
    counts = [4] + [0] * len(BUCKETS_S)
    assert quantile_s(counts, 0.25) == pytest.approx(0.00125)
