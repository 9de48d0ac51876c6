"""What rewritten code calls, `_mg_` in its text: see `rewrite.py` and `control.py` in `mixgrad.program.reading`."""

from mixgrad.operators.branches import Watched, and_, either, if_, not_, or_
from mixgrad.operators.calls import asserted, attempted, call, converted, named, raised, result
from mixgrad.operators.items import (
    get_attribute,
    get_item,
    in_place,
    set_attribute,
    set_item,
    set_item_of,
    set_item_there,
    slice,
)
from mixgrad.operators.loops import for_, while_
from mixgrad.operators.state import State, Undefined

__all__ = [
    "State",
    "Undefined",
    "Watched",
    "and_",
    "asserted",
    "attempted",
    "call",
    "converted",
    "either",
    "for_",
    "get_attribute",
    "get_item",
    "if_",
    "in_place",
    "named",
    "not_",
    "or_",
    "raised",
    "result",
    "set_attribute",
    "set_item",
    "set_item_of",
    "set_item_there",
    "slice",
    "while_",
]
