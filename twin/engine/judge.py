"""Puts every resource before the policy packs."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from twin.engine.analyzer import (
    Diagnostic,
    PolicyPack,
    PolicyPackError,
    PolicyResource,
    ProviderResource,
    ResourceOptions,
)
from twin.engine.deployment import ResourceState
from twin.engine.errors import HaltedError, StepError
from twin.engine.events import Level, Violation
from twin.engine.run import Run
from twin.engine.urns import Urn

_BLOCKING = ("mandatory", "remediate")


class Judge:
    """The packs of one run. They start beside the program: until they are there, whoever asks waits."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._packs: Sequence[PolicyPack] | None = None
        self._opened = threading.Event()

    def appoint(self, packs: Sequence[PolicyPack]) -> None:
        """From now on these judge; without any, everything passes."""
        self._packs = packs

    def open(self) -> None:
        """Nobody waits any longer; if no packs were appointed, everything is refused."""
        self._opened.set()

    def _sitting(self) -> Sequence[PolicyPack]:
        self._opened.wait()
        if self._packs is None:
            raise HaltedError
        return self._packs

    def inputs(
        self, state: ResourceState, provider: ResourceState | None, dbr: bool | None
    ) -> Mapping[str, Any]:
        """Checked inputs as the packs leave them.

        Raises:
            StepError: A mandatory rule is broken, and this is not a preview (which goes on, to tell all);
                or a pack broke down, which forbids everything.
            HaltedError: The packs did not start.
        """
        packs = self._sitting()
        if not packs:
            return state.inputs
        try:
            inputs = self._mended(packs, state, provider, dbr)
            blocked = False
            for pack in packs:
                for finding in pack.analyze(_described(state, inputs, provider, dbr)):
                    blocked = self._report(finding, state.urn) or blocked
        except PolicyPackError as error:
            raise StepError(str(error)) from error
        if blocked and not self._run.preview and not self._run.options.audit:
            raise StepError("a mandatory policy is violated (told above)")
        return inputs

    def _mended(
        self,
        packs: Sequence[PolicyPack],
        state: ResourceState,
        provider: ResourceState | None,
        dbr: bool | None,
    ) -> Mapping[str, Any]:
        inputs: Mapping[str, Any] = state.inputs
        for pack in packs:
            for remediation in pack.remediate(_described(state, inputs, provider, dbr)):
                if remediation.properties is not None:
                    inputs = remediation.properties
                    self._run.tell(
                        Level.INFO, f"{remediation.pack}: {remediation.rule} mended this resource", state.urn
                    )
                elif remediation.diagnostic:
                    self._run.tell(Level.WARNING, f"{remediation.pack}: {remediation.diagnostic}", state.urn)
        return inputs

    def stack(self, states: Sequence[ResourceState], providers: Mapping[str, ResourceState]) -> bool:
        """Whether the packs allow the stack as a whole."""
        packs = self._sitting()
        if not packs:
            return True
        described = [
            _described(
                state, state.outputs if state.custom else state.inputs, _provider(state, providers), None
            )
            for state in states
        ]
        blocked = False
        for pack in packs:
            for finding in pack.analyze_stack(described):
                blocked = self._report(finding, finding.urn) or blocked
        return not blocked

    def _report(self, finding: Diagnostic, urn: str) -> bool:
        clean = self._run.redactor.clean
        message = clean(finding.message)
        if finding.remedy and finding.remedy not in message:
            message = f"{message}\nRemedy: {clean(finding.remedy)}"
        self._run.violated(
            Violation(finding.pack, finding.rule, finding.id, finding.level, finding.urn or urn, message)
        )
        blocking = finding.level in _BLOCKING
        if blocking:
            self._run.result.ok = False
        return blocking


def _provider(state: ResourceState, providers: Mapping[str, ResourceState]) -> ResourceState | None:
    return providers.get(state.provider)


def _described(
    state: ResourceState, properties: Mapping[str, Any], provider: ResourceState | None, dbr: bool | None
) -> PolicyResource:
    instance = None
    if provider is not None:
        instance = ProviderResource(
            provider.type, Urn.parse(provider.urn).name, provider.urn, provider.outputs
        )
    return PolicyResource(
        type=state.type,
        name=state.name,
        urn=state.urn,
        properties=properties,
        options=ResourceOptions(
            protect=state.protect,
            ignore_changes=state.ignore_changes,
            delete_before_replace=dbr,
            additional_secret_outputs=state.additional_secret_outputs,
            aliases=state.aliases,
            custom_timeouts=state.custom_timeouts,
            parent=state.parent,
        ),
        provider=instance,
        parent=state.parent,
        dependencies=state.dependencies,
        property_dependencies=state.property_dependencies,
    )
