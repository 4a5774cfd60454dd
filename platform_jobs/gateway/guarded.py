"""A model behind its guards: a time limit, a circuit breaker, and a limit to the calls in flight."""

from typing import Final

from platform_jobs.gateway.backends import Backend
from platform_jobs.gateway.breaker import Breaker, State
from platform_jobs.gateway.model import BackendError, ModelAnswer, Question, WrongQuestionError
from platform_jobs.log import WARNING, event

MOST_IN_FLIGHT: Final = 128
"""Beyond it a call fails at once: a queue would only make everybody wait for a model that cannot keep up."""


class Guarded:
    """Asks one backend, and keeps it from taking everything else down with it."""

    def __init__(
        self,
        name: str,
        backend: Backend,
        timeout_seconds: float,
        breaker: Breaker | None = None,
        most_in_flight: int = MOST_IN_FLIGHT,
    ) -> None:
        self._name = name
        self._backend = backend
        self._timeout = timeout_seconds
        self._breaker = breaker or Breaker()
        self._most = most_in_flight
        self._in_flight = 0

    @property
    def state(self) -> State:
        """Of the breaker."""
        return self._breaker.state

    async def ask(self, question: Question) -> ModelAnswer:
        """The model's answer.

        Raises:
            BackendError: it gave none; reason `open` or `saturated`: it was not even asked.
            WrongQuestionError: it refuses the question.
        """
        if self._in_flight >= self._most:
            raise BackendError("saturated", f"{self._name} has {self._most} calls in flight")
        permit = self._breaker.admit()
        if permit is None:
            raise BackendError("open", f"{self._name} is given a pause")
        before = self._breaker.state
        self._in_flight += 1
        try:
            answer = await self._backend.ask(question, self._timeout)
        except WrongQuestionError:
            permit.succeeded()  # it is well: it understood
            raise
        except BackendError:
            permit.failed()
            raise
        except Exception as error:  # a mistake of ours must not become a request without an answer
            permit.failed()
            raise BackendError("internal", type(error).__name__) from error
        except BaseException:  # the caller has gone
            permit.abandoned()
            raise
        else:
            permit.succeeded()
            return answer
        finally:
            self._in_flight -= 1
            self._tell(before)

    def _tell(self, before: State) -> None:
        now = self._breaker.state
        if now is State.OPEN and before is not State.OPEN:
            event("gateway", "breaker-opened", WARNING, backend=self._name)
        elif now is State.CLOSED and before is not State.CLOSED:
            event("gateway", "breaker-closed", backend=self._name)
