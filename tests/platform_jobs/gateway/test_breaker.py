"""The circuit breaker: what it lets through, when it opens, and that it always closes again."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from platform_jobs.gateway.breaker import Breaker, BreakerPolicy, Permit, State

POLICY = BreakerPolicy(window=10, least_calls=4, ratio=0.5, pause=1.0, longest_pause=8.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def admitted(breaker: Breaker) -> Permit:
    permit = breaker.admit()
    assert permit is not None
    return permit


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(POLICY, clock)
    for _ in range(4):
        admitted(breaker).failed()
    assert breaker.state is State.OPEN
    return breaker


def test_a_few_failures_among_many_answers_are_no_reason():
    breaker = Breaker(POLICY, Clock())
    for number in range(100):
        permit = admitted(breaker)
        (permit.failed if number % 4 == 3 else permit.succeeded)()
    assert breaker.state is State.CLOSED


def test_it_opens_tries_once_and_closes():
    clock = Clock()
    breaker = opened(clock)
    assert breaker.admit() is None
    clock.now = 1.0
    trial = admitted(breaker)
    assert breaker.admit() is None, "one at a time"
    trial.succeeded()
    assert breaker.state is State.CLOSED
    admitted(breaker).failed()
    assert breaker.state is State.CLOSED, "what was before is forgotten"


def test_each_failed_trial_doubles_the_pause_up_to_a_limit():
    clock = Clock()
    breaker = opened(clock)
    pauses = []
    pause = 1.0
    for _ in range(6):
        clock.now += pause
        admitted(breaker).failed()
        start = clock.now
        while breaker.state is State.OPEN:
            clock.now += 0.25
        pauses.append(clock.now - start)
        pause = 0.0
    assert pauses == [2.0, 4.0, 8.0, 8.0, 8.0, 8.0]


def test_stragglers_say_nothing_and_a_trial_that_is_abandoned_frees_its_place():
    clock = Clock()
    breaker = Breaker(POLICY, clock)
    straggler, other = admitted(breaker), admitted(breaker)
    for _ in range(4):
        admitted(breaker).failed()
    straggler.succeeded()
    assert breaker.state is State.OPEN
    clock.now = 1.0
    other.failed()
    assert breaker.state is State.HALF_OPEN
    admitted(breaker).abandoned()
    admitted(breaker).succeeded()
    assert breaker.state is State.CLOSED


class BreakerMachine(RuleBasedStateMachine):
    """Calls of all kinds, in any order, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(POLICY, self.clock)
        self.permits: list[Permit] = []

    @rule()
    def call(self) -> None:
        state = self.breaker.state
        permit = self.breaker.admit()
        if state is State.OPEN:
            assert permit is None
        elif state is State.CLOSED:
            assert permit is not None
        if permit is not None:
            self.permits.append(permit)

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), how=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def end(self, data: st.DataObject, how: str) -> None:
        permit = data.draw(st.sampled_from(self.permits))
        self.permits.remove(permit)
        getattr(permit, how)()

    @rule(seconds=st.floats(0, 5))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def never_stuck(self) -> None:
        """When every call has ended, a pause and an answer close it again."""
        if not self.permits:
            self.clock.now += POLICY.longest_pause
            admitted(self.breaker).succeeded()
            assert self.breaker.state is State.CLOSED


TestBreaker = BreakerMachine.TestCase
