"""Who may be sent now."""

from __future__ import annotations

from app.outbound.hosts import Hosts


def _take_all(hosts: Hosts[str]) -> list[str]:
    taken = []
    while (item := hosts.take(0)) is not None:
        taken.append(item)
    return taken


def _filled(max_in_flight: int, max_per_host: int, *items: str) -> Hosts[str]:
    """Items such as `a1`: the first letter is the host."""
    hosts: Hosts[str] = Hosts(max_in_flight, max_per_host)
    for item in items:
        hosts.offer(item[0], item)
    return hosts


def test_within_a_host_the_first_come_goes_first() -> None:
    assert _take_all(_filled(9, 9, "a1", "a2", "a3")) == ["a1", "a2", "a3"]


def test_among_hosts_it_goes_round() -> None:
    assert _take_all(_filled(9, 9, "a1", "a2", "a3", "b1", "b2", "c1")) == [
        "a1",
        "b1",
        "c1",
        "a2",
        "b2",
        "a3",
    ]


def test_a_host_has_no_more_in_flight_than_its_limit_and_holds_up_nobody() -> None:
    hosts = _filled(9, 2, "a1", "a2", "a3", "a4", "b1")
    assert _take_all(hosts) == ["a1", "b1", "a2"]
    assert (hosts.in_flight, hosts.waiting) == (3, 2)
    hosts.done("a")
    assert _take_all(hosts) == ["a3"]


def test_the_total_limit_holds_for_all_hosts_together() -> None:
    hosts = _filled(2, 2, "a1", "b1", "c1")
    assert _take_all(hosts) == ["a1", "b1"]
    hosts.done("a")
    assert _take_all(hosts) == ["c1"]


def test_a_host_that_comes_late_is_not_behind_a_long_queue() -> None:
    hosts = _filled(2, 2, *(f"a{n}" for n in range(1000)))
    assert _take_all(hosts) == ["a0", "a1"]
    hosts.offer("b", "b0")
    hosts.done("a")
    hosts.done("a")
    assert "b0" in _take_all(hosts)


def test_dropped_items_are_returned_and_never_taken() -> None:
    hosts = _filled(9, 1, "a1", "a2", "b1", "b2", "c1")
    assert hosts.take(0) == "a1"
    assert sorted(hosts.drop(lambda item: item.endswith("1"))) == ["b1", "c1"]
    assert hosts.waiting == 2
    assert _take_all(hosts) == ["b2"]
    hosts.done("a")
    assert _take_all(hosts) == ["a2"]


def test_an_idle_host_is_forgotten() -> None:
    hosts = _filled(9, 9, "a1", "b1")
    _take_all(hosts)
    hosts.done("a")
    hosts.done("b")
    assert hosts._hosts == {}
    assert hosts.take(0) is None
