"""The metric grammar: TG-263 / Mayo text such as ``D0.03cc[Gy]`` to a Metric.

::

    metric   = [biology ":"] kind [number unit] "[" unit "]"
    biology  = ("EQD2" | "BED") "_" number          alpha/beta in Gy

========================  ================  ===========  ==========================================
text                      argument          answer       is
========================  ================  ===========  ==========================================
Mean, Max, Min, Median                      Gy, cGy, %   dose; % of the prescription
Volume                                      cc           volume of the structure
D95%, D0.03cc             %, cc, mm3        Gy, cGy, %   dose that the hottest part receives
DC700cc, DC5%             %, cc, mm3        Gy, cGy, %   dose that the coldest part does not exceed
V20Gy, V95%               Gy, cGy, %        cc, %        volume at or above the dose
CV5Gy, CV95%              Gy, cGy, %        cc, %        volume below the dose
OutsideDoseGrid                             cc, %        volume without a known dose
gEUD8, gEUD-10        none (a)          Gy, cGy, %   power mean (sum v D^a)^(1/a)
Veff0.97              none (n)          %            effective volume, sum v (D / Rx)^(1/n)
HI                                          none         homogeneity of a target
PaddickCI, RTOGCI                           none         conformity to a target
GradientIndex, R50                          none         fall-off around a target
D2cm                                        %, Gy        dose 2 cm away from a target
PIV, TVPIV                                  cc           prescription isodose, target inside it
========================  ================  ===========  ==========================================

A share of volume (%) is above 0 and at most 100; a share of dose is of the prescription and needs
one in the metric's own dose, so it does not go with EQD2 or BED. The table ``_FORMS`` is the only
description: parser, messages and the published pattern are made from it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from planeval.errors import MetricSyntax
from planeval.model import Biology, Metric, MetricKind
from planeval.units import Quantity, Unit

__all__ = ["METRIC_PATTERN", "json_schema", "parse"]

_BASE_UNIT = {Unit.CGY: Unit.GY, Unit.MM3: Unit.CC}
"""Units that an argument may be written in, and what it becomes."""

_WHOLE_DIGITS = 6
_DECIMALS = 9
_DECIMALS_CONVERTED = 6
"""A cGy or mm3 argument has three decimals more after it became Gy or cc."""

_QUANTITIES = ("EQD2", "BED")


@dataclass(frozen=True, slots=True)
class _Form:
    """What may stand after a kind: units of its argument, units of its answer, an example."""

    argument: tuple[Unit, ...]
    answer: tuple[Unit, ...]
    example: str
    note: str = ""
    is_index: bool = False
    has_sign: bool = False

    @property
    def takes_number(self) -> bool:
        """Whether the argument is a number without unit, such as an exponent."""
        return self.argument == (Unit.NONE,)

    @property
    def takes_volume(self) -> bool:
        return Unit.CC in self.argument

    @property
    def has_dose(self) -> bool:
        return Unit.GY in self.argument + self.answer and not self.is_index

    def converted(self, quantity: str) -> _Form:
        """Return the form for EQD2 or BED: without shares of a prescribed dose."""
        argument, answer = (
            tuple(unit for unit in units if not (unit is Unit.PERCENT and Unit.GY in units))
            for units in (self.argument, self.answer)
        )
        note = f" (a share of the prescription has no {quantity})"
        return _Form(argument, answer, self.example, note, self.is_index, self.has_sign)


_DOSE = (Unit.GY, Unit.CGY, Unit.PERCENT)
_VOLUME = (Unit.CC, Unit.PERCENT)
_PART = (Unit.PERCENT, Unit.CC, Unit.MM3)

_FORMS = {
    MetricKind.MEAN: _Form((), _DOSE, "Mean[Gy]"),
    MetricKind.MAX: _Form((), _DOSE, "Max[Gy]"),
    MetricKind.MIN: _Form((), _DOSE, "Min[Gy]"),
    MetricKind.MEDIAN: _Form((), _DOSE, "Median[Gy]"),
    MetricKind.VOLUME: _Form((), (Unit.CC,), "Volume[cc]"),
    MetricKind.DOSE_AT_VOLUME: _Form(_PART, _DOSE, "D95%[Gy]"),
    MetricKind.COLD_DOSE_AT_VOLUME: _Form(_PART, _DOSE, "DC700cc[Gy]"),
    MetricKind.VOLUME_AT_DOSE: _Form(_DOSE, _VOLUME, "V20Gy[cc]"),
    MetricKind.COLD_VOLUME_AT_DOSE: _Form(_DOSE, _VOLUME, "CV5Gy[cc]"),
    MetricKind.OUTSIDE: _Form((), _VOLUME, "OutsideDoseGrid[cc]"),
    MetricKind.GEUD: _Form((Unit.NONE,), _DOSE, "gEUD8[Gy]", has_sign=True),
    MetricKind.VEFF: _Form((Unit.NONE,), (Unit.PERCENT,), "Veff1[%]"),
    **{
        kind: _Form((), (Unit.NONE,), str(kind), is_index=True)
        for kind in (
            MetricKind.HOMOGENEITY,
            MetricKind.PADDICK,
            MetricKind.RTOG_CONFORMITY,
            MetricKind.GRADIENT,
            MetricKind.R50,
        )
    },
    MetricKind.D2CM: _Form((), (Unit.PERCENT, *_DOSE[:2]), "D2cm[%]", is_index=True),
    MetricKind.PRESCRIBED_ISODOSE: _Form((), (Unit.CC,), "PIV[cc]", is_index=True),
    MetricKind.COVERED_TARGET: _Form((), (Unit.CC,), "TVPIV[cc]", is_index=True),
}


def parse(text: str, *, allow_bare_biology: bool = False) -> Metric:
    """Return the metric that the text spells.

    A cGy argument becomes Gy and a mm3 argument cc, so that one question has one spelling; the unit
    of the answer stays. ``allow_bare_biology`` reads ``EQD2:`` without its alpha/beta, for protocol
    rows that leave the number to the structure.

    Raises:
        MetricSyntax: the text is no metric; the message marks the column, says what was expected
            there and shows the nearest correct spelling.

    >>> str(parse("V2000cGy[cc]"))
    'V20Gy[cc]'
    >>> parse("EQD2_2.5:Mean[Gy]").biology
    Biology(quantity='EQD2', alpha_beta_gy=2.5)
    """
    try:
        return _read(_Scan(text), allow_bare_biology)
    except _Fault as fault:
        raise MetricSyntax(_explain(text, fault, allow_bare_biology)) from None


class _Fault(Exception):  # noqa: N818 - never leaves this module
    """What is wrong at a position of the text."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(problem)
        self.position = position
        self.problem = problem


class _Scan:
    """A text and how far it is read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def take(self, pattern: str) -> str:
        """Read what matches here, empty where nothing does."""
        match = re.compile(pattern).match(self.text, self.position)
        found = match.group() if match else ""
        self.position += len(found)
        return found


def _read(scan: _Scan, allow_bare_biology: bool) -> Metric:
    biology = _read_biology(scan, allow_bare_biology)
    start = scan.position
    kind = _read_kind(scan)
    form = _FORMS[kind]
    if biology is not None:
        if not form.has_dose:
            what = "an index of physical dose" if form.is_index else "no dose"
            raise _Fault(start, f"{kind} is {what} and has no {biology.quantity}")
        form = form.converted(biology.quantity)
    argument = _read_argument(scan, kind, form)
    unit = _read_answer(scan, kind, form)
    if scan.position < len(scan.text):
        raise _Fault(scan.position, "expected the end")
    return Metric(kind, unit, argument, biology)


def _read_biology(scan: _Scan, allow_bare: bool) -> Biology | None:
    if ":" not in scan.text:
        return None
    quantity = scan.take("|".join(_QUANTITIES))
    if not quantity:
        raise _Fault(0, f"expected {_either(_QUANTITIES)} before the colon")
    alpha_beta = None
    if scan.take("_"):
        start = scan.position
        alpha_beta = _number(_read_digits(scan), start, _DECIMALS)
        if alpha_beta == 0:
            raise _Fault(start, "expected an alpha/beta above 0 Gy")
    elif not allow_bare:
        raise _Fault(scan.position, "expected '_' and the alpha/beta in Gy, which is never implied")
    if not scan.take(":"):
        raise _Fault(scan.position, "expected a colon")
    return Biology(quantity, alpha_beta)


def _read_kind(scan: _Scan) -> MetricKind:
    start = scan.position
    for pattern in (r"[^\[]*", "[A-Za-z]*"):
        word = scan.take(pattern)
        if word in _FORMS:
            return MetricKind(word)
        scan.position = start
    raise _Fault(start, f"no such metric; known are {', '.join(_FORMS)}")


def _read_argument(scan: _Scan, kind: MetricKind, form: _Form) -> Quantity | None:
    if not form.argument:
        return None
    start = scan.position
    if form.takes_number:
        return _read_exponent(scan, kind, form)
    digits = _read_digits(scan)
    unit = _read_unit(scan, form.argument, f"after the number of {kind}{form.note}")
    number = _number(digits, start, _decimals(unit))
    if form.takes_volume and number == 0:
        raise _Fault(start, f"{kind} of no volume is not defined; expected a volume above 0")
    if form.takes_volume and unit is Unit.PERCENT and number > 100:
        raise _Fault(start, "expected at most 100 % of the volume")
    if unit not in _BASE_UNIT:
        return Quantity(number, unit)
    base = Quantity(number, unit).to(_BASE_UNIT[unit])
    return Quantity(round(base.value, _DECIMALS), base.unit)


def _read_exponent(scan: _Scan, kind: MetricKind, form: _Form) -> Quantity:
    start = scan.position
    sign = -1.0 if form.has_sign and scan.take("-") else 1.0
    number = _number(_read_digits(scan), start, _DECIMALS)
    if number == 0:
        raise _Fault(start, f"{kind}0 is not defined; expected a number other than 0")
    return Quantity(sign * number, Unit.NONE)


def _read_digits(scan: _Scan) -> str:
    digits = scan.take(r"[0-9]+(\.[0-9]+)?")
    if not digits:
        raise _Fault(scan.position, "expected a number without sign, such as 5 or 0.03")
    return digits


def _number(digits: str, start: int, decimals: int) -> float:
    if not re.fullmatch(_number_pattern(decimals), digits):
        limit = f"{_WHOLE_DIGITS} digits before and {decimals} after the point"
        raise _Fault(start, f"expected at most {limit}")
    return float(digits)


def _read_unit(scan: _Scan, units: tuple[Unit, ...], place: str) -> Unit:
    found = scan.take("[A-Za-z%]+3?")
    if found in units:
        return Unit(found)
    raise _Fault(scan.position - len(found), f"expected {_either(units)} {place}")


def _read_answer(scan: _Scan, kind: MetricKind, form: _Form) -> Unit:
    if form.answer == (Unit.NONE,):
        return Unit.NONE
    if not scan.take(r"\["):
        nothing = "" if form.argument else f"; {kind} takes no number"
        raise _Fault(scan.position, f"expected the unit of the answer, [{form.answer[0]}]{nothing}")
    unit = _read_unit(scan, form.answer, f"as the unit of {kind}{form.note}")
    if not scan.take(r"\]"):
        raise _Fault(scan.position, "expected ']'")
    return unit


def _either(choices: tuple[str, ...]) -> str:
    """Return the choices as words."""
    return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))


_SHOWN = 60


def _explain(text: str, fault: _Fault, allow_bare: bool) -> str:
    """Return the message: the text, a mark under the column, what was expected, what to write."""
    before, after = (
        "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in part)
        for part in (text[: fault.position][-_SHOWN:], text[fault.position :][:_SHOWN])
    )
    near = list(dict.fromkeys(_nearest(text, allow_bare)))[:3]
    hint = f"; write {_either(tuple(near))}" if near else f"; {_example(text)}"
    return (
        f"metric '{before}{after}', column {fault.position + 1}: {fault.problem}{hint}\n"
        f"    {before}{after}\n    {' ' * len(before)}^"
    )


_LOOSE = re.compile(
    r"\s*(?:(?P<quantity>eqd2|bed)\s*_?\s*(?P<ratio>[0-9.]+)?\s*:)?"
    r"\s*(?P<word>[a-z]+)[\s_]*(?P<number>[0-9]*[.,]?[0-9]+)?\s*(?P<unit>%|[a-z]+[3³]?)?"
    r"\s*[\[(]?\s*(?P<answer>%|[a-z]+[3³]?)?\s*[\])]?\s*",
    re.IGNORECASE,
)
_LOOSE_UNITS = {
    "gy": Unit.GY, "cgy": Unit.CGY, "cc": Unit.CC, "cm3": Unit.CC, "cm³": Unit.CC, "ml": Unit.CC,
    "mm3": Unit.MM3, "mm³": Unit.MM3, "%": Unit.PERCENT,
}  # fmt: skip
_LOOSE_WORDS = {kind.casefold(): kind for kind in _FORMS} | {
    "dmean": MetricKind.MEAN, "dmax": MetricKind.MAX, "dmin": MetricKind.MIN,
    "dmedian": MetricKind.MEDIAN,
}  # fmt: skip


def _nearest(text: str, allow_bare: bool) -> Iterator[str]:
    """Yield correct spellings near the text: another case, a missing unit, a habit of the field."""
    loose = _LOOSE.fullmatch(text) if len(text) <= _SHOWN else None
    if loose is None:
        return
    words = difflib.get_close_matches(loose["word"].casefold(), _LOOSE_WORDS, n=1, cutoff=0.75)
    for word in words:
        for candidate in _candidates(loose, _LOOSE_WORDS[word]):
            try:
                yield str(_read(_Scan(candidate), allow_bare))
            except _Fault:
                continue


def _candidates(loose: re.Match[str], kind: MetricKind) -> Iterator[str]:
    """Yield the parts in the order of the grammar, with every unit that could be meant."""
    form = _FORMS[kind]
    prefix = ""
    if loose["quantity"]:
        form = form.converted(loose["quantity"])
        prefix = f"{loose['quantity'].upper()}{'_' + loose['ratio'] if loose['ratio'] else ''}:"
    number = (loose["number"] or "").replace(",", ".")
    unit, answer = (_LOOSE_UNITS.get((loose[part] or "").casefold()) for part in ("unit", "answer"))
    if not form.argument:
        number, unit, answer = "", None, answer or unit
    units: list[Unit | None] = [unit]
    if loose["unit"] is None:
        units = [choice for choice in form.argument if choice not in _BASE_UNIT] or [None]
    answers = [answer] if answer in form.answer else form.answer[:1]
    for written, wanted in product(units, answers):
        bracket = "" if wanted is Unit.NONE else f"[{wanted}]"
        suffix = "" if written in (None, Unit.NONE) else str(written)
        yield f"{prefix}{kind}{number}{suffix}{bracket}"


def _example(text: str) -> str:
    """Return an example of the kind that the text begins with, or of a few kinds."""
    prefix, _, body = text.rpartition(":")
    quantity = prefix.partition("_")[0]
    for kind, form in _FORMS.items():
        if kind == _Scan(body).take("[A-Za-z]*"):
            ratio = f"{quantity}_3:" if quantity in _QUANTITIES and form.has_dose else ""
            return f"for example {ratio}{form.example}"
    return "for example Mean[Gy], D95%[Gy] or V20Gy[cc]"


def _decimals(unit: Unit) -> int:
    return _DECIMALS_CONVERTED if unit in _BASE_UNIT else _DECIMALS


def _number_pattern(decimals: int) -> str:
    return rf"[0-9]{{1,{_WHOLE_DIGITS}}}(?:\.[0-9]{{1,{decimals}}})?"


_ABOVE_ZERO = r"(?![0.]*[^0-9.])"
_SHARE = (
    rf"(?:0{{0,{_WHOLE_DIGITS - 3}}}100(?:\.0{{1,{_DECIMALS}}})?"
    rf"|0{{0,{_WHOLE_DIGITS - 2}}}[0-9]{{1,2}}(?:\.[0-9]{{1,{_DECIMALS}}})?)"
)


def _form_pattern(kind: MetricKind, form: _Form) -> str:
    """Return the expression for one kind."""
    arguments = []
    for unit in form.argument:
        number = _number_pattern(_decimals(unit))
        if form.takes_volume:
            number = _ABOVE_ZERO + (_SHARE if unit is Unit.PERCENT else number)
        if form.takes_number:
            arguments.append(("-?" if form.has_sign else "") + _ABOVE_ZERO + number)
        else:
            arguments.append(number + unit)
    argument = f"(?:{'|'.join(arguments)})" if arguments else ""
    answer = "" if form.answer == (Unit.NONE,) else rf"\[(?:{'|'.join(form.answer)})\]"
    return f"{kind}{argument}{answer}"


def _pattern(bare_biology: bool) -> str:
    """Return one expression for the whole grammar."""
    plain = [_form_pattern(kind, form) for kind, form in _FORMS.items()]
    converted = [
        _form_pattern(kind, form.converted("")) for kind, form in _FORMS.items() if form.has_dose
    ]
    ratio = f"_{_ABOVE_ZERO}{_number_pattern(_DECIMALS)}"
    prefix = f"(?:{'|'.join(_QUANTITIES)})" + (f"(?:{ratio})?" if bare_biology else ratio)
    # In Python "$" also matches before a final line feed; "no character follows" is the same in
    # every dialect.
    return rf"^(?:{'|'.join(plain)}|{prefix}:(?:{'|'.join(converted)}))(?![\s\S])"


METRIC_PATTERN = _pattern(bare_biology=False)
"""The grammar as one regular expression that Python and ECMA-262 (JSON Schema) read alike."""


def json_schema(*, allow_bare_biology: bool = False) -> dict[str, object]:
    """Return the JSON Schema of a metric text: exactly what :func:`parse` reads."""
    return {
        "type": "string",
        "description": "Dose metric in TG-263 / Mayo notation, for example D0.03cc[Gy].",
        "pattern": _pattern(allow_bare_biology),
        "examples": [form.example for form in _FORMS.values()],
    }
