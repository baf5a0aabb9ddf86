"""Pauses grow up to a limit, and start again with the first one."""

from hpckit.common.backoff import Backoff


def pauses_of(backoff: Backoff, count: int) -> list[float]:
    """Return the next pauses."""
    return [backoff.next_s() for _ in range(count)]


def test_each_pause_is_twice_as_long_as_the_one_before_up_to_the_limit() -> None:
    assert pauses_of(Backoff(1, 5), 5) == [1, 2, 4, 5, 5]


def test_the_factor_can_be_chosen() -> None:
    assert pauses_of(Backoff(2, 4, factor=1.5), 4) == [2, 3, 4, 4]


def test_after_a_reset_the_first_pause_is_next() -> None:
    backoff = Backoff(1, 5)
    pauses_of(backoff, 3)
    backoff.reset()
    assert pauses_of(backoff, 2) == [1, 2]


def test_jitter_changes_each_pause_but_not_how_the_pauses_grow() -> None:
    chances = iter([0.0, 1.0, 0.5, 1.0])
    backoff = Backoff(10, 40, jitter=(0.8, 1.2), chance=lambda: next(chances))
    assert pauses_of(backoff, 4) == [8, 24, 40, 48]
