"""Programs as statements: what each op means as loops over elements."""

from mixgrad.compile.lowering import control as _control  # noqa: F401  (each says what some ops mean)
from mixgrad.compile.lowering import elements as _elements  # noqa: F401
from mixgrad.compile.lowering import orders as _orders  # noqa: F401
from mixgrad.compile.lowering import spectra as _spectra  # noqa: F401
from mixgrad.compile.lowering import systems as _systems  # noqa: F401
from mixgrad.compile.lowering import views as _views  # noqa: F401
from mixgrad.compile.lowering.statements import SUPPORTED as SUPPORTED
from mixgrad.compile.lowering.statements import Lowering as Lowering
from mixgrad.compile.lowering.statements import NoNativeForm as NoNativeForm
from mixgrad.compile.lowering.statements import kind_of as kind_of
