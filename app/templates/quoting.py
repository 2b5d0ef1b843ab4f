"""yarl's quoter, its C module loaded by itself: all of yarl costs a short command more than its work."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yarl._quoting import _Quoter as Quoter

__all__ = ["Quoter"]

_NAME = "yarl._quoting_c"


def _load() -> Any:
    if _NAME not in sys.modules:
        package = find_spec("yarl")
        spec = PathFinder.find_spec(_NAME, package.submodule_search_locations) if package else None
        if spec is None or spec.loader is None:  # installed without its C modules
            from yarl import _quoting

            return _quoting._Quoter
        sys.modules[_NAME] = module_from_spec(spec)  # where yarl, imported later, finds it
        spec.loader.exec_module(sys.modules[_NAME])
    return sys.modules[_NAME]._Quoter


if not TYPE_CHECKING:
    Quoter = _load()
