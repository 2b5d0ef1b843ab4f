"""For every order of offers, takes, ends and drops: limits hold, order holds, nothing is lost."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from app.outbound.hosts import Hosts

_steps = st.lists(
    st.tuples(st.sampled_from(["offer", "take", "done", "drop"]), st.integers(0, 5)), max_size=120
)


@given(_steps, st.integers(1, 6), st.integers(1, 4))
def test_limits_and_order_hold_and_nothing_is_lost(
    steps: list[tuple[str, int]], max_in_flight: int, max_per_host: int
) -> None:
    hosts: Hosts[tuple[str, int]] = Hosts(max_in_flight, max_per_host)
    waiting: dict[str, list[tuple[str, int]]] = defaultdict(list)
    flying: Counter[str] = Counter()
    for number, (deed, choice) in enumerate(steps):
        name = f"host-{choice}"
        if deed == "offer":
            hosts.offer(name, (name, number))
            waiting[name].append((name, number))
        elif deed == "take":
            item = hosts.take(number)
            may_go = [h for h, queue in waiting.items() if queue and flying[h] < max_per_host]
            if item is None:
                assert flying.total() >= max_in_flight or not may_go
            else:
                assert item == waiting[item[0]].pop(0)
                flying[item[0]] += 1
        elif deed == "done" and flying[name]:
            hosts.done(name)
            flying[name] -= 1
        elif deed == "drop":
            dropped = hosts.drop(lambda item, parity=choice % 2: item[1] % 2 == parity)  # type: ignore[misc]
            gone = [item for queue in waiting.values() for item in queue if item[1] % 2 == choice % 2]
            assert sorted(dropped) == sorted(gone)
            for queue in waiting.values():
                queue[:] = [item for item in queue if item[1] % 2 != choice % 2]
        assert flying.total() == hosts.in_flight <= max_in_flight
        assert all(count <= max_per_host for count in flying.values())
        assert hosts.waiting == sum(map(len, waiting.values()))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_no_host_is_served_twice_while_another_with_room_waits(offers: list[int]) -> None:
    hosts: Hosts[int] = Hosts(1_000, 1_000)
    left = Counter(offers)
    for name in offers:
        hosts.offer(str(name), name)
    turn: list[int] = []
    while (item := hosts.take(0)) is not None:
        if item in turn:
            assert all(left[name] == 0 or name in turn for name in left)
            turn = []
        turn.append(item)
        left[item] -= 1
    assert not +left
