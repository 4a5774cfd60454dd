"""Patches of moto's modules, applied when something first imports them: importing them all takes a second."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

Patch = Callable[[Any], None]
_patches: dict[str, list[Patch]] = {}


def when_imported(module: str, patch: Patch) -> None:
    """Calls `patch` with the module right after it was first executed; at once, if that has happened."""
    if module in sys.modules:
        patch(sys.modules[module])
        return
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    _patches.setdefault(module, []).append(patch)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds a module that is to be patched in the usual way, and wraps its loader."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        patches = _patches.pop(fullname, None)
        if patches is None:
            return None
        spec = importlib.util.find_spec(fullname)  # the usual way: this module isn't wanted here any more
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, patches)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: Any, patches: list[Patch]) -> None:
        self._loader = loader
        self._patches = patches

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        for patch in self._patches:
            patch(module)
