"""The metric grammar: what is read, what is refused and how, and the published pattern."""

from __future__ import annotations

import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planeval.errors import MetricSyntax
from planeval.metrics import parse
from planeval.metrics.grammar import METRIC_PATTERN, json_schema
from planeval.model import Biology, Metric, MetricKind
from planeval.units import Quantity, Unit

STATISTICS = [MetricKind.MEAN, MetricKind.MAX, MetricKind.MIN, MetricKind.MEDIAN]
DOSE_AT = [MetricKind.DOSE_AT_VOLUME, MetricKind.COLD_DOSE_AT_VOLUME]
VOLUME_AT = [MetricKind.VOLUME_AT_DOSE, MetricKind.COLD_VOLUME_AT_DOSE]

GOOD = [
    "Mean[Gy]", "Mean[cGy]", "Max[Gy]", "Max[%]", "Min[Gy]", "Median[Gy]", "Volume[cc]",
    "D95%[Gy]", "D95%[%]", "D0.03cc[Gy]", "D100%[Gy]", "D99.9%[cGy]", "DC700cc[Gy]", "DC5%[Gy]",
    "D35mm3[Gy]", "V20Gy[cc]", "V20Gy[%]", "V95%[%]", "V95%[cc]", "V107%[cc]", "V0Gy[cc]",
    "V2000cGy[cc]", "CV5Gy[cc]", "CV5Gy[%]", "CV95%[cc]", "OutsideDoseGrid[cc]",
    "OutsideDoseGrid[%]", "EQD2_3:Mean[Gy]", "EQD2_2.5:D0.03cc[Gy]", "BED_10:V60Gy[%]",
    "BED_10:Max[cGy]", "D095.0%[Gy]", "D000100%[Gy]", "D999999cc[Gy]",
    "V0.000000001Gy[cc]", "D0.000001mm3[Gy]", "HI", "PaddickCI", "RTOGCI", "GradientIndex", "R50",
    "D2cm[%]", "D2cm[Gy]", "PIV[cc]", "TVPIV[cc]", "gEUD8[Gy]", "gEUD-10[Gy]", "gEUD0.5[%]",
    "EQD2_3:gEUD1.03[Gy]", "Veff1[%]", "Veff0.97[%]",
]  # fmt: skip

BAD = [
    # text, column, what the message says
    ("Mean", 5, r"\[Gy\].*write Mean\[Gy\]"),
    ("D2cc", 5, r"write D2cc\[Gy\]"),
    ("V20Gy", 6, r"write V20Gy\[cc\]"),
    ("D95[Gy]", 4, r"write D95%\[Gy\] or D95cc\[Gy\]"),
    ("V20[cc]", 4, r"write V20Gy\[cc\] or V20%\[cc\]"),
    ("mean[gy]", 1, r"write Mean\[Gy\]"),
    ("d95%[gy]", 1, r"write D95%\[Gy\]"),
    ("cv5gy[CC]", 1, r"write CV5Gy\[cc\]"),
    ("Dmax", 1, r"write Max\[Gy\]"),
    ("Mena[Gy]", 1, r"write Mean\[Gy\]"),
    ("D0,03cc[Gy]", 3, r"write D0\.03cc\[Gy\]"),
    ("D0.03 cc [Gy]", 6, r"write D0\.03cc\[Gy\]"),
    ("D2ml[Gy]", 3, r"write D2cc\[Gy\]"),
    ("D35mm³[Gy]", 4, r"write D0\.035cc\[Gy\]"),
    ("Mean[cc]", 6, r"expected Gy, cGy or % as the unit of Mean"),
    ("Volume[Gy]", 8, r"expected cc as the unit of Volume"),
    ("Volume[%]", 8, r"expected cc as the unit of Volume"),
    ("V20Gy[Gy]", 7, r"expected cc or % as the unit of V"),
    ("V20cc[cc]", 4, r"expected Gy, cGy or % after the number of V"),
    ("D20Gy[cc]", 4, r"expected %, cc or mm3 after the number of D"),
    ("D95%[cc]", 6, r"expected Gy, cGy or % as the unit of D"),
    ("OutsideDoseGrid[Gy]", 17, r"expected cc or %"),
    ("D150%[Gy]", 2, r"at most 100 % of the volume"),
    ("D100.001%[Gy]", 2, r"at most 100 % of the volume"),
    ("D0cc[Gy]", 2, r"D of no volume is not defined"),
    ("DC0.0%[Gy]", 3, r"DC of no volume is not defined"),
    ("D00.000mm3[Gy]", 2, r"D of no volume is not defined"),
    ("V-5Gy[cc]", 2, r"expected a number without sign"),
    ("D-1cc[Gy]", 2, r"expected a number without sign"),
    ("D.5cc[Gy]", 2, r"such as 5 or 0\.03"),
    ("D5.cc[Gy]", 3, r"expected %, cc or mm3"),
    ("D1e3cc[Gy]", 3, r"expected %, cc or mm3"),
    ("D٣cc[Gy]", 2, r"expected a number"),
    ("D[Gy]", 2, r"for example D95%\[Gy\]"),
    ("V1234567Gy[cc]", 2, r"at most 6 digits before and 9 after"),
    ("V1.0123456789Gy[cc]", 2, r"at most 6 digits before and 9 after"),
    ("V1.0123456cGy[cc]", 2, r"at most 6 digits before and 6 after"),
    ("D0000095%[Gy]", 2, r"at most 6 digits"),
    ("Mean5[Gy]", 5, r"Mean takes no number"),
    ("Mean[Gy", 8, r"expected ']'"),
    ("Mean[Gy]]", 9, r"expected the end"),
    ("Mean[Gy]\n", 9, r"expected the end"),
    (" Mean[Gy]", 1, r"write Mean\[Gy\]"),
    ("", 1, r"for example Mean\[Gy\]"),
    ("CI", 1, r"no such metric; known are Mean, .*OutsideDoseGrid"),
    ("HI[%]", 3, r"expected the end"),
    ("paddickci", 1, r"write PaddickCI"),
    ("R80", 1, r"no such metric"),
    ("PIV[%]", 5, r"expected cc as the unit of PIV"),
    ("D3cm", 3, r"expected %, cc or mm3"),
    ("D2cm", 5, r"expected the unit of the answer, \[%\]"),
    ("EQD2_3:PaddickCI", 8, r"an index of physical dose"),
    ("gEUD[Gy]", 5, r"expected a number"),
    ("gEUD0[Gy]", 5, r"gEUD0 is not defined"),
    ("Veff-1[%]", 5, r"without sign"),
    ("geud8[gy]", 1, r"write gEUD8\[Gy\]"),
    ("EQD2_3:Veff1[%]", 8, r"is no dose and has no EQD2"),
    ("EQD2:Mean[Gy]", 5, r"alpha/beta in Gy, .*; for example EQD2_3:Mean\[Gy\]"),
    ("BED10:Mean[Gy]", 4, r"write BED_10:Mean\[Gy\]"),
    ("eqd2_3:mean[Gy]", 1, r"write EQD2_3:Mean\[Gy\]"),
    ("EQD2_0:Mean[Gy]", 6, r"alpha/beta above 0"),
    ("EQD2_0.00:Mean[Gy]", 6, r"alpha/beta above 0"),
    ("EQD2_-3:Mean[Gy]", 6, r"expected a number without sign"),
    ("EQD2_3 :Mean[Gy]", 7, r"expected a colon"),
    ("EQD2_3Mean[Gy]", 1, r"no such metric"),
    ("gEUD:Mean[Gy]", 1, r"expected EQD2 or BED before the colon"),
    ("EQD2_3:Volume[cc]", 8, r"Volume is no dose and has no EQD2"),
    ("BED_3:OutsideDoseGrid[cc]", 7, r"OutsideDoseGrid is no dose and has no BED"),
    ("EQD2_3:V95%[%]", 11, r"share of the prescription has no EQD2"),
    ("BED_3:Mean[%]", 12, r"share of the prescription has no BED"),
    ("EQD2_3:EQD2_3:Mean[Gy]", 8, r"no such metric"),
]  # fmt: skip


def _numbers(low: str, high: int) -> st.SearchStrategy[float]:
    return st.decimals(low, high, places=9).map(float)


def _quantities(units: list[Unit], *, volume: bool) -> st.SearchStrategy[Quantity]:
    low = "1e-9" if volume else "0"
    return st.sampled_from(units).flatmap(
        lambda unit: _numbers(low, 100 if volume and unit is Unit.PERCENT else 999_999).map(
            lambda number: Quantity(number, unit)
        )
    )


BIOLOGY = st.builds(Biology, st.sampled_from(["EQD2", "BED"]), _numbers("1e-9", 999_999))


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    """Any metric of the grammar, in the units that planeval keeps."""
    biology = draw(st.none() | BIOLOGY)
    relative = [] if biology else [Unit.PERCENT]
    doses = st.sampled_from([Unit.GY, Unit.CGY, *relative])
    volumes = st.sampled_from([Unit.CC, Unit.PERCENT])
    group = draw(st.sampled_from(["statistic", "dose", "volume", "plain"]))
    if group == "statistic":
        return Metric(draw(st.sampled_from(STATISTICS)), draw(doses), None, biology)
    if group == "dose":
        part = draw(_quantities([Unit.CC, Unit.PERCENT], volume=True))
        return Metric(draw(st.sampled_from(DOSE_AT)), draw(doses), part, biology)
    if group == "volume":
        level = draw(_quantities([Unit.GY, *relative], volume=False))
        return Metric(draw(st.sampled_from(VOLUME_AT)), draw(volumes), level, biology)
    return draw(
        st.sampled_from([
            Metric(MetricKind.VOLUME, Unit.CC),
            Metric(MetricKind.OUTSIDE, Unit.CC),
            Metric(MetricKind.OUTSIDE, Unit.PERCENT),
        ])
    )  # fmt: skip


@given(metrics())
def test_text_and_metric_are_the_same_thing(metric: Metric) -> None:
    """parse(str(m)) == m, for every metric of the grammar, and the pattern reads the text too."""
    assert parse(str(metric)) == metric
    assert re.search(METRIC_PATTERN, str(metric))


@pytest.mark.parametrize("text", GOOD)
def test_canonical_text_is_stable(text: str) -> None:
    """Reading and writing twice gives what reading and writing once gave."""
    once = str(parse(text))
    assert str(parse(once)) == once


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("Mean[Gy]", Metric(MetricKind.MEAN, Unit.GY)),
        ("D95%[%]", Metric(MetricKind.DOSE_AT_VOLUME, Unit.PERCENT, Quantity(95, Unit.PERCENT))),
        ("D0.03cc[Gy]", Metric(MetricKind.DOSE_AT_VOLUME, Unit.GY, Quantity(0.03, Unit.CC))),
        ("DC700cc[Gy]", Metric(MetricKind.COLD_DOSE_AT_VOLUME, Unit.GY, Quantity(700, Unit.CC))),
        ("V20Gy[cc]", Metric(MetricKind.VOLUME_AT_DOSE, Unit.CC, Quantity(20, Unit.GY))),
        ("CV5Gy[%]", Metric(MetricKind.COLD_VOLUME_AT_DOSE, Unit.PERCENT, Quantity(5, Unit.GY))),
        ("OutsideDoseGrid[%]", Metric(MetricKind.OUTSIDE, Unit.PERCENT)),
        ("BED_10:Max[Gy]", Metric(MetricKind.MAX, Unit.GY, None, Biology("BED", 10))),
    ],
)
def test_parts_are_read(text: str, metric: Metric) -> None:
    """Kind, argument, unit and biology are what the text says."""
    assert parse(text) == metric


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("V2000cGy[cc]", "V20Gy[cc]"),
        ("V57cGy[%]", "V0.57Gy[%]"),
        ("D35mm3[Gy]", "D0.035cc[Gy]"),
        ("D0.000001mm3[Gy]", "D0.000000001cc[Gy]"),
        ("D95.0%[Gy]", "D95%[Gy]"),
        ("D095%[Gy]", "D95%[Gy]"),
        ("EQD2_3.0:Mean[Gy]", "EQD2_3:Mean[Gy]"),
        ("Mean[cGy]", "Mean[cGy]"),
    ],
)
def test_one_question_has_one_spelling(written: str, canonical: str) -> None:
    """Arguments become Gy and cc without rounding noise; the unit of the answer stays."""
    assert str(parse(written)) == canonical
    assert parse(written) == parse(canonical)


@pytest.mark.parametrize(("text", "column", "message"), BAD)
def test_refusal_says_where_and_what(text: str, column: int, message: str) -> None:
    """Every wrong text is refused with its column and what to write."""
    with pytest.raises(MetricSyntax, match=rf"(?s)column {column}: .*{message}"):
        parse(text)


def test_mark_stands_under_the_column() -> None:
    """The last line of the message marks the column under the text."""
    with pytest.raises(MetricSyntax) as caught:
        parse("V20Gy[Gy]")
    assert str(caught.value).splitlines()[1:] == ["    V20Gy[Gy]", "          ^"]


def test_hostile_text_is_escaped_and_cut() -> None:
    """Control characters of the text never reach the message, nor do ten thousand letters."""
    with pytest.raises(MetricSyntax) as caught:
        parse("Mean[Gy]\x1b[31m\r\n" + "x" * 10_000)
    assert "\\x1b[31m\\r\\n" in str(caught.value)
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", str(caught.value))
    assert len(str(caught.value)) < 400


def test_hints_are_correct_spellings() -> None:
    """Whatever a message says to write can be read."""
    for text, _, _ in BAD:
        with pytest.raises(MetricSyntax) as caught:
            parse(text)
        hint = str(caught.value).splitlines()[0].partition("; write ")[2]
        for spelling in filter(None, hint.split(" or ")):
            parse(spelling)


class TestBareBiology:
    """A protocol row may leave alpha/beta to its structure."""

    def test_is_read_on_request(self) -> None:
        """The number is None and the text round-trips."""
        metric = parse("EQD2:Mean[Gy]", allow_bare_biology=True)
        assert metric.biology == Biology("EQD2", None)
        assert str(metric) == "EQD2:Mean[Gy]"

    def test_number_stays_allowed(self) -> None:
        """Where it may be left out, it may also be written."""
        assert parse("BED_10:Mean[Gy]", allow_bare_biology=True) == parse("BED_10:Mean[Gy]")

    def test_underscore_needs_its_number(self) -> None:
        """``EQD2_:`` is neither of the two."""
        with pytest.raises(MetricSyntax, match="column 6: expected a number"):
            parse("EQD2_:Mean[Gy]", allow_bare_biology=True)

    def test_schema_agrees(self) -> None:
        """The schema has the same switch."""
        jsonschema.validate("EQD2:Mean[Gy]", json_schema(allow_bare_biology=True))
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate("EQD2:Mean[Gy]", json_schema())


class TestPattern:
    """The published expression reads exactly what the parser reads."""

    @pytest.mark.parametrize("text", GOOD)
    def test_reads_good_text(self, text: str) -> None:
        """Good text validates."""
        jsonschema.validate(text, json_schema())

    @pytest.mark.parametrize("text", [text for text, _, _ in BAD])
    def test_refuses_bad_text(self, text: str) -> None:
        """Bad text does not validate."""
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(text, json_schema())

    @given(st.sampled_from(GOOD), st.data())
    def test_agrees_on_damaged_text(self, text: str, data: st.DataObject) -> None:
        """One character changed, put in or taken out: both read it, or neither does."""
        place = data.draw(st.integers(0, len(text)))
        new = data.draw(st.sampled_from(["", *"0159.%:_-[] DCVGycm3\n٣"]))
        damaged = text[:place] + new + text[place + data.draw(st.integers(0, 1)) :]
        try:
            parse(damaged)
            is_read = True
        except MetricSyntax:
            is_read = False
        assert bool(re.search(METRIC_PATTERN, damaged)) == is_read

    def test_uses_only_what_every_dialect_has(self) -> None:
        """No named groups, flags, lookbehind or anchors that differ in ECMA-262."""
        assert not re.search(r"\(\?[^:!]|\\[AZzdwb]|\$", METRIC_PATTERN)

    def test_examples_are_valid(self) -> None:
        """The schema's own examples validate, and it is a valid schema."""
        schema = json_schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        for example in schema["examples"]:
            jsonschema.validate(example, schema)


def test_metric_made_by_hand_is_checked_by_its_text() -> None:
    """A nonsense value has a text that the grammar refuses."""
    with pytest.raises(MetricSyntax, match="as the unit of Mean"):
        parse(str(Metric(MetricKind.MEAN, Unit.CC)))


def test_number_without_unit_is_written_without_one() -> None:
    """An index has no unit in its text, a plain number none behind it, and nothing an exponent."""
    assert str(Metric(MetricKind.MEAN, Unit.NONE, Quantity(8, Unit.NONE))) == "Mean8"
    tiny = Metric(MetricKind.DOSE_AT_VOLUME, Unit.GY, Quantity(0.00001, Unit.CC))
    assert str(tiny) == "D0.00001cc[Gy]"
