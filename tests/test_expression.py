"""Structure expressions: the text, the tree, what text means in a case, and the solids."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st

from planeval.errors import (
    AmbiguousStructure,
    ExpressionSyntax,
    GeometryError,
    UnknownStructure,
)
from planeval.expression import (
    MAX_DEPTH,
    MAX_LENGTH,
    Expr,
    Intersection,
    Margin,
    Name,
    Union,
    Without,
    parse,
    resolve_text,
)
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, PlaneFrame
from planeval.model import Method, Structure

A, B, C = Name("A"), Name("B"), Name("C")
SIDES = ("left", "right", "anterior", "posterior", "superior", "inferior")
METHOD = Method()


def _block(
    name: str, area: shapely.Polygon, heights: list[float], *, frame_uid: str = "1.2"
) -> Structure:
    """A drawn structure of one area on several planes; it reaches half a spacing beyond them."""
    stack = PlanarStack(AXIAL, [DrawnPlane(height, area) for height in heights])
    return Structure(
        name, stack, number=1, type="ORGAN", colour=(1, 2, 3), origin="drawn", frame_uid=frame_uid
    )


@pytest.fixture
def case() -> dict[str, Structure]:
    """Boxes: a liver on 5 mm planes, a GTV on 2.5 mm planes inside, a half that overlaps both."""
    liver_heights = [5.0 * k for k in range(20)]  # solid from -2.5 to 97.5 mm
    gtv_heights = [31.0 + 2.5 * k for k in range(8)]  # solid from 29.75 to 49.75 mm
    return {
        "Liver": _block("Liver", shapely.box(0, 0, 100, 80), liver_heights),
        "GTV": _block("GTV", shapely.box(20, 20, 50, 40), gtv_heights),
        "Half": _block("Half", shapely.box(40, 0, 200, 80), liver_heights),
    }


class TestText:
    """What text is which tree."""

    @pytest.mark.parametrize(
        "text",
        ["Liver", "Liver-GTV", "PTV 1 AND 2", "GTV+5mm", "肝脏", "a|b", "PTV [2]", "5\" ball",
         "A -B", "A- B", "A+ B", "rock&roll", "x_~!", "5 mm ring", "5mm", "[LR 5]"],
    )  # fmt: skip
    def test_everything_without_blank_operators_is_a_name(self, text: str) -> None:
        """Hyphens, signs, quotes, square brackets and any script belong to names."""
        assert parse(text) == Name(text)
        assert str(parse(text)) == text

    @pytest.mark.parametrize(
        ("text", "tree"),
        [
            ("A - B", Without((A, B))),
            ("A | B", Union((A, B))),
            ("A + B", Union((A, B))),
            ("A & B", Intersection((A, B))),
            ("  A  -\tB  ", Without((A, B))),
            ("A - B - C", Without((A, B, C))),
            ("A | B + C", Union((A, B, C))),
            ("A - (B - C)", Without((A, Without((B, C))))),
            ("(A - B) - C", Without((Without((A, B)), C))),
            ("(A | B) & C", Intersection((Union((A, B)), C))),
            ("((A))", A),
            ("Liver-GTV - PTV 1", Without((Name("Liver-GTV"), Name("PTV 1")))),
            ('"BRAIN - PTV" - GTV', Without((Name("BRAIN - PTV"), Name("GTV")))),
            ('"say ""x"" (1)"', Name('say "x" (1)')),
            ('""', Name("")),
            ('A - "5 mm"', Without((A, Name("5 mm")))),
        ],
    )
    def test_operators_brackets_quotes(self, text: str, tree: Expr) -> None:
        """Operators join, brackets group, quotes protect."""
        assert parse(text) == tree

    @pytest.mark.parametrize(
        ("text", "tree"),
        [
            ("A + 5 mm", Margin(A, **dict.fromkeys(SIDES, 5))),
            ("A - 3.5 mm", Margin(A, **dict.fromkeys(SIDES, 3.5), inward=True)),
            ("A + 0 mm", Margin(A)),
            (
                "A + [LR 5, AP 6, SI 15] mm",
                Margin(A, left=5, right=5, anterior=6, posterior=6, superior=15, inferior=15),
            ),
            (
                "A + [L 1, R 2, A 3, P 4, S 5, I 6] mm",
                Margin(A, **dict(zip(SIDES, range(1, 7), strict=True))),
            ),
            ("A - [S 5] mm", Margin(A, superior=5, inward=True)),
            ("A + 20 mm - A", Without((Margin(A, **dict.fromkeys(SIDES, 20)), A))),
            ("A - B + 5 mm", Without((A, Margin(B, **dict.fromkeys(SIDES, 5))))),
            ("(A - B) + 5 mm", Margin(Without((A, B)), **dict.fromkeys(SIDES, 5))),
            ("A + [S 1] mm - [I 2] mm", Margin(Margin(A, superior=1), inferior=2, inward=True)),
        ],
    )
    def test_margins(self, text: str, tree: Expr) -> None:
        """A margin binds before any set operator; what it does not name is 0."""
        assert parse(text) == tree

    @pytest.mark.parametrize(
        ("tree", "text"),
        [
            (Margin(A, left=5, right=5, superior=3), "A + [LR 5, S 3] mm"),
            (Margin(A, **dict.fromkeys(SIDES, 0.00001)), "A + 0.00001 mm"),
            (Margin(Union((A, B)), superior=1), "(A | B) + [S 1] mm"),
            (Union((A, Union((B, C)))), "A | (B | C)"),
            (Without((Name("A - B"), C)), '"A - B" - C'),
            (Without((Name("- A"), Name("A -"))), '"- A" - "A -"'),
            (Name("PTV (1)"), '"PTV (1)"'),
            (Name('"x"'), '"""x"""'),
            (Name(" A"), '" A"'),
            (Name("+"), '"+"'),
        ],
    )
    def test_canonical_text(self, tree: Expr, text: str) -> None:
        """Quotes and brackets are written where they are needed, and only there."""
        assert str(tree) == text

    def test_names_in_order(self) -> None:
        """Every name once, in the order of the text, also within margins."""
        assert parse("(B + 5 mm - A) | (A & C) | B").names() == ("B", "A", "C")

    def test_trees_are_values(self) -> None:
        """Equal text is an equal, hashable tree that pickles."""
        tree = parse("A - (B | C) + 5 mm")
        assert hash(tree) == hash(parse(str(tree)))
        assert pickle.loads(pickle.dumps(tree)) == tree


class TestSyntaxErrors:
    """Text that is no expression is refused with its column."""

    @pytest.mark.parametrize(
        ("text", "column", "message"),
        [
            ("", 1, "expected a name"),
            ("   ", 4, "expected a name"),
            ("A - ", 5, "expected a name"),
            ("A -", 4, "expected a name"),
            ("- A", 1, "expected a name"),
            ("A - - B", 5, "expected a name"),
            ("A - (B", 7, r"expected '\)'"),
            ("A - B)", 6, "expected an operator"),
            ("()", 2, "expected a name"),
            ("PTV (1)", 5, r'stands in double quotes, as in "PTV \(1\)"'),
            ("(A)- B", 4, "with a blank on both sides"),
            ('"A" B', 5, "expected an operator"),
            ('A - "B', 5, "closing double quote"),
            ('"""', 3, "closing double quote"),
            ("5 mm - A", 1, r"a margin follows '\+' or '-'"),
            ("A | 5 mm", 5, r"a margin follows '\+' or '-'"),
            ("A + [XX 5] mm", 5, r"margin 'XX 5': expected LR, AP, SI"),
            ("A + [] mm", 5, "margin ''"),
            ("A + [L -5] mm", 5, "margin 'L -5'"),
            ("A + [LR 5, L 3] mm", 5, "margin to the left is given twice"),
            ("A + " + "9" * 400 + " mm", 5, "expected a length in mm"),
            ("A + 201 mm", 5, "expected a length in mm, at most 200"),
        ],
    )
    def test_column_and_reason(self, text: str, column: int, message: str) -> None:
        """The message gives the column and what was expected there."""
        with pytest.raises(ExpressionSyntax, match=rf"column {column}: .*{message}"):
            parse(text)

    @pytest.mark.parametrize(
        ("text", "first", "second"),
        [
            ("A - B | C", "(A - B) | C", "A - (B | C)"),
            ("A | B & C", "(A | B) & C", "A | (B & C)"),
            ("A - B - C & A", "(A - B - C) & A", "A - B - (C & A)"),
            ("A + 5 mm - A & B", "(A + 5 mm - A) & B", "A + 5 mm - (A & B)"),
        ],
    )
    def test_mixed_operators_show_both_readings(self, text: str, first: str, second: str) -> None:
        """Different set operators in one chain are never ordered silently."""
        with pytest.raises(ExpressionSyntax) as caught:
            parse(text)
        assert str(caught.value).endswith(f"write {first} or {second}")
        assert str(parse(first)) == first
        assert str(parse(second)) == second

    def test_control_characters_stay_data(self) -> None:
        """A message holds the text escaped."""
        with pytest.raises(ExpressionSyntax) as caught:
            parse("A - (\x1b[31m")
        assert "\x1b" not in str(caught.value)

    @pytest.mark.parametrize("side", SIDES)
    def test_negative_margin_is_a_wrong_call(self, side: str) -> None:
        """The sign stands outside."""
        with pytest.raises(ValueError, match=f"margin {side} is -1 mm"):
            Margin(A, **{side: -1})

    def test_one_operand_is_a_wrong_call(self) -> None:
        """A set operation of one thing has no text."""
        with pytest.raises(ValueError, match="Union needs at least two operands"):
            Union((A,))


class TestHostileText:
    """Text may come from anywhere."""

    def test_too_long(self) -> None:
        """The length is limited before anything is read."""
        with pytest.raises(ExpressionSyntax, match=r"10001 characters: at most 10000"):
            parse("A" * (MAX_LENGTH + 1))

    def test_deep_brackets(self) -> None:
        """Brackets nest to the limit and not beyond."""
        assert parse("(" * MAX_DEPTH + "A" + ")" * MAX_DEPTH) == A
        with pytest.raises(ExpressionSyntax, match=r"column 51: expected at most 50 nested"):
            parse("(" * 5000)

    def test_many_margins(self) -> None:
        """Margins nest the tree, so they are limited too."""
        parse("A" + " + 1 mm" * MAX_DEPTH)
        with pytest.raises(ExpressionSyntax, match="at most 50 margins"):
            parse("A" + " + 1 mm" * (MAX_DEPTH + 1))

    def test_longest_chain(self) -> None:
        """A chain is flat: thousands of names are no recursion."""
        text = " - ".join(["A"] * 2500)
        assert str(parse(text)) == text
        assert parse(text).names() == ("A",)

    @given(st.text(alphabet=' "()-+|&[]mLR5,.A\n', max_size=60))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        """No text does anything else, and what is read round-trips."""
        try:
            tree = parse(text)
        except ExpressionSyntax:
            return
        assert parse(str(tree)) == tree


NAMES = st.builds(Name, st.text(max_size=8) | st.text(alphabet=' "()-+|&[]m5,A', max_size=8))
LENGTHS = st.floats(0, 200)


def _larger(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    operands = st.lists(inner, min_size=2, max_size=3).map(tuple)
    margins = st.fixed_dictionaries(dict.fromkeys(SIDES, LENGTHS | st.just(5.0)))
    return (
        st.one_of(*(st.builds(kind, operands) for kind in (Union, Intersection, Without)))
        | st.builds(lambda expr, sides, inward: Margin(expr, **sides, inward=inward),
                    inner, margins, st.booleans())
    )  # fmt: skip


@given(st.recursive(NAMES, _larger, max_leaves=8))
@example(Name("5 mm"))
@example(Name("[x] mm"))
@example(Without((Name("A"), Name("\u3000-\xa0"))))
def test_text_and_tree_are_the_same_thing(tree: Expr) -> None:
    """parse(str(e)) == e, for names of any script with quotes, brackets, blanks and signs."""
    assert parse(str(tree)) == tree


class TestSolids:
    """Derived structures against closed forms."""

    def test_liver_without_gtv_on_other_planes(self, case: dict[str, Structure]) -> None:
        """5 mm liver minus 2.5 mm GTV: 800 cc - 12 cc, though no plane heights agree."""
        assert case["Liver"].volume_cc == pytest.approx(800)
        assert case["GTV"].volume_cc == pytest.approx(12)
        derived = parse("Liver - GTV").resolve(case.__getitem__, method=METHOD)
        assert derived.volume_cc == pytest.approx(788, rel=1e-12)

    @pytest.mark.parametrize(
        ("text", "volume_cc"),
        [
            ("Liver | Half", 1600),
            ("Liver & Half", 480),
            ("Liver & GTV", 12),
            ("GTV - Liver", 0),
            ("Liver - Liver", 0),
            ("Liver - GTV - Half", 320 - 8),
            ("Liver - (GTV | Half)", 320 - 8),
            ("Liver - (GTV - Half)", 800 - 8),
            ("(Liver - Half) | GTV", 320 + 4),
        ],
    )
    def test_closed_forms(self, case: dict[str, Structure], text: str, volume_cc: float) -> None:
        """Boxes: every set operation has the volume of elementary geometry."""
        derived = parse(text).resolve(case.__getitem__, method=METHOD)
        assert derived.volume_cc == pytest.approx(volume_cc, rel=1e-12, abs=1e-9)

    def test_method_decides_the_ends(self, case: dict[str, Structure]) -> None:
        """Without caps the liver is 95 mm and the GTV 17.5 mm long."""
        method = Method(caps="none")
        derived = parse("Liver - GTV").resolve(case.__getitem__, method=method)
        assert derived.volume_cc == pytest.approx(8.0 * 95 - 0.6 * 17.5, rel=1e-12)
        assert derived.method is method

    def test_what_is_derived_says_so(self, case: dict[str, Structure]) -> None:
        """Name and expression are the canonical text; number and type are nobody's."""
        derived = parse("Liver  -  (GTV)").resolve(case.__getitem__, method=METHOD)
        assert (derived.name, derived.expression) == ("Liver - GTV", "Liver - GTV")
        assert (derived.origin, derived.number, derived.type) == ("derived", None, "")
        assert (derived.colour, derived.frame_uid) == ((1, 2, 3), "1.2")

    def test_a_name_is_the_structure_itself(self, case: dict[str, Structure]) -> None:
        """A name alone derives nothing."""
        assert parse(" Liver ").resolve(case.__getitem__, method=METHOD) is case["Liver"]

    def test_different_frames(self, case: dict[str, Structure]) -> None:
        """Structures of two frames are not combined, and the message names both."""
        case["PET"] = _block("PET", shapely.box(0, 0, 9, 9), [0, 5], frame_uid="9.9")
        with pytest.raises(GeometryError, match=r"'Liver' and 'PET' .*1\.2 and 9\.9"):
            parse("Liver - GTV - PET").resolve(case.__getitem__, method=METHOD)

    def test_no_stated_frame_goes_with_any(self, case: dict[str, Structure]) -> None:
        """A structure made by hand takes the frame of the others."""
        case["mine"] = _block("mine", shapely.box(0, 0, 9, 9), [0, 5], frame_uid="")
        derived = parse("mine & Liver").resolve(case.__getitem__, method=METHOD)
        assert derived.frame_uid == "1.2"

    def test_planes_that_are_not_parallel(self, case: dict[str, Structure]) -> None:
        """The message names the expression."""
        planes = [DrawnPlane(height, shapely.box(0, 0, 9, 9)) for height in (0, 5)]
        coronal = PlanarStack(PlaneFrame((1, 0, 0), (0, 0, -1)), planes)
        case["coronal"] = Structure("coronal", coronal, frame_uid="1.2")
        with pytest.raises(GeometryError, match=r"'Liver - coronal': .*not parallel"):
            parse("Liver - coronal").resolve(case.__getitem__, method=METHOD)

    def test_margin_grows_in_all_directions(self, case: dict[str, Structure]) -> None:
        """30 x 20 x 20 mm grown by 5 mm: faces, quarter cylinders along edges, a ball."""
        derived = parse("GTV + 5 mm").resolve(case.__getitem__, method=METHOD)
        faces = 30 * 20 * 20 + 2 * 5 * (30 * 20 + 30 * 20 + 20 * 20)
        rounded = np.pi * 25 * (30 + 20 + 20) + 4 / 3 * np.pi * 125
        assert derived.volume_cc * 1000 == pytest.approx(faces + rounded, rel=4e-3)
        assert (derived.name, derived.origin) == ("GTV + 5 mm", "derived")
        assert (derived.colour, derived.frame_uid) == ((1, 2, 3), "1.2")

    def test_margin_of_named_sides(self, case: dict[str, Structure]) -> None:
        """Every letter moves its own side of the patient."""
        text = "GTV + [L 1, R 2, A 3, P 4, S 5, I 6] mm"
        low, high = parse(text).resolve(case.__getitem__, method=METHOD).bounds_mm
        assert low == pytest.approx((20 - 2, 20 - 3, 29.75 - 6))
        assert high == pytest.approx((50 + 1, 40 + 4, 49.75 + 5))

    def test_margin_inward(self, case: dict[str, Structure]) -> None:
        """A box shrinks to the box between its moved faces."""
        derived = parse("Liver - 3 mm").resolve(case.__getitem__, method=METHOD)
        assert derived.volume_cc == pytest.approx(94 * 74 * 94 / 1000, rel=1e-6)

    def test_ring_around_a_structure(self, case: dict[str, Structure]) -> None:
        """A margin binds first: grown, then without itself."""
        grown = parse("GTV + 20 mm").resolve(case.__getitem__, method=METHOD)
        ring = parse("GTV + 20 mm - GTV").resolve(case.__getitem__, method=METHOD)
        assert ring.volume_cc == pytest.approx(grown.volume_cc - 12, rel=1e-9)

    def test_margin_of_nothing(self, case: dict[str, Structure]) -> None:
        """The message names the term that cannot grow."""
        with pytest.raises(GeometryError, match=r"'\(GTV - Liver\) \+ 5 mm': .*nothing is solid"):
            parse("Half | (GTV - Liver) + 5 mm").resolve(case.__getitem__, method=METHOD)


class TestWhatTextMeans:
    """A whole name, an expression, both or neither."""

    def _resolve(self, text: str, case: dict[str, Structure]) -> Structure:
        return resolve_text(text, case.keys(), case.__getitem__, method=METHOD)

    def test_plain_name_is_the_structure(self, case: dict[str, Structure]) -> None:
        """A name, and its one-name expression, are the same thing: never ambiguous."""
        assert self._resolve("Liver", case) is case["Liver"]

    def test_whole_name_is_the_drawn_structure(self, case: dict[str, Structure]) -> None:
        """Text that looks like an expression is the ROI where only the ROI exists."""
        case["Brain - PTV"] = case["GTV"]
        assert self._resolve("Brain - PTV", case) is case["GTV"]

    def test_name_that_is_no_expression(self, case: dict[str, Structure]) -> None:
        """A name that the parser cannot read needs no quotes alone."""
        case["PTV (1"] = case["GTV"]
        assert self._resolve("PTV (1", case) is case["GTV"]

    def test_expression_where_no_such_name_exists(self, case: dict[str, Structure]) -> None:
        """Otherwise the text is the expression, and says it is derived."""
        assert self._resolve("Liver - GTV", case).origin == "derived"

    @pytest.mark.parametrize(
        ("text", "others"),
        [("Liver - GTV", []), ("GTV + 5 mm", []), (" GTV", []), ("(GTV)", []), ('"x"', ["x"])],
    )
    def test_both_readings_are_ambiguous(
        self, case: dict[str, Structure], text: str, others: list[str]
    ) -> None:
        """A name that is also a resolvable expression is refused."""
        for name in [text, *others]:
            case[name] = case["Half"]
        with pytest.raises(AmbiguousStructure, match="also an expression"):
            self._resolve(text, case)

    def test_ambiguity_shows_two_spellings_that_work(self, case: dict[str, Structure]) -> None:
        """Quotes are the structure, brackets the expression."""
        case["Liver - GTV"] = case["Half"]
        with pytest.raises(AmbiguousStructure, match=r'write "Liver - GTV" .* or \(Liver - GTV\)'):
            self._resolve("Liver - GTV", case)
        assert self._resolve('"Liver - GTV"', case) is case["Half"]
        assert self._resolve("(Liver - GTV)", case).volume_cc == pytest.approx(788)

    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            ("Liver-GTV", "'Liver - GTV'"),
            ("Liver –GTV", "'Liver - GTV'"),
            ("Liver+GTV", r"'Liver \+ GTV'"),
            ("GTV+5mm", r"'GTV \+ 5 mm'"),
            ("GTV-5 mm", "'GTV - 5 mm'"),
            ("liver", "'Liver'"),
            ("Livr - GTV", "'Livr' in 'Livr - GTV'; did you mean 'Liver'"),
            ("Liver + 5mm", "'5mm' in .* did you mean '5 mm'"),
            ("Zzz", r"the case has 3: 'Liver', 'GTV', 'Half'$"),
            ("B-C-GTV", "'B-C - GTV'"),
            ("Q (x)-GTV", """'"Q \\(x\\)" - GTV'"""),
        ],
    )
    def test_unknown_names_get_a_hint(
        self, case: dict[str, Structure], text: str, hint: str
    ) -> None:
        """The message shows the spelling that would work."""
        if "B-C" in text:
            case["B-C"] = case["Half"]
        if "Q" in text:
            case["Q (x)"] = case["Half"]
            text = f'"{text}"'
        with pytest.raises(UnknownStructure, match=hint):
            self._resolve(text, case)

    def test_many_names_are_not_all_listed(self, case: dict[str, Structure]) -> None:
        """A message stays readable, also with names of hostile length."""
        case |= {f"{k:04}" * 1000: case["GTV"] for k in range(30)}
        with pytest.raises(UnknownStructure, match=r"the case has 33: .*, \.\.\.$") as caught:
            self._resolve("Z" * 5000, case)
        assert len(str(caught.value)) < 2500

    def test_neither_name_nor_expression(self, case: dict[str, Structure]) -> None:
        """Text that cannot be read is a syntax error."""
        with pytest.raises(ExpressionSyntax, match="column 9: expected a name"):
            self._resolve("Liver - ", case)

    def test_lookup_is_asked_for_known_names_only(self, case: dict[str, Structure]) -> None:
        """A missing name is found before any solid is made."""
        asked: list[str] = []

        def lookup(name: str) -> Structure:
            asked.append(name)
            return case[name]

        with pytest.raises(UnknownStructure, match="no structure named 'nowhere'"):
            resolve_text("Liver - nowhere", case.keys(), lookup, method=METHOD)
        assert asked == []
