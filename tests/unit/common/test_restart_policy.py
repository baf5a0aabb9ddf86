"""The number of times that a process is started again."""

from __future__ import annotations

from hpckit.common.restart_policy import RestartPolicy


def test_a_process_is_started_again_so_often_in_a_row() -> None:
    policy = RestartPolicy(2, clock=lambda: 0.0)
    assert [policy.may_restart() for _ in range(3)] == [True, True, False]


def test_an_end_long_after_the_one_before_begins_a_new_row() -> None:
    now = [0.0]
    policy = RestartPolicy(1, good_after_s=60, clock=lambda: now[0])
    now[0] = 10
    assert policy.may_restart()
    now[0] = 71
    assert policy.may_restart()
    now[0] = 130
    assert not policy.may_restart()


def test_success_begins_a_new_row() -> None:
    policy = RestartPolicy(1)
    assert policy.may_restart()
    policy.succeeded()
    assert policy.may_restart()
    assert policy.in_a_row == 1
