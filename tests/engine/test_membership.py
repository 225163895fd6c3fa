"""Which workers take part."""

from __future__ import annotations

from dbsl_tf.engine.membership import Membership


def test_who_is_gone_is_not_brought_back_by_a_late_result() -> None:
    listening = {0, 1}
    changes: list[tuple[int, str | None]] = []
    membership = Membership(2, listening.__contains__)
    membership.subscribe(lambda *change: changes.append(change))
    membership.mark_lost(1, "its port is closed")
    listening.discard(1)
    membership.mark_alive(1)
    assert (membership.present, changes) == ((0,), [(1, "its port is closed")])
    listening.add(1)
    membership.mark_alive(1)
    assert (membership.present, changes[1:]) == ((0, 1), [(1, None)])


def test_who_is_present_need_not_be_reached() -> None:
    membership = Membership(1, lambda worker: False)
    membership.mark_alive(0)
    assert membership.present == (0,)


def test_who_leaves_is_back_only_when_it_has_been_started_again() -> None:
    membership = Membership(1)
    membership.mark_leaving(0, "asked to end")
    membership.mark_alive(0)
    assert membership.present == ()
    membership.mark_staying(0)
    membership.mark_alive(0)
    assert membership.present == (0,)
