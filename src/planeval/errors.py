"""Every error planeval raises about data, and what each one means.

::

    PlanevalError                 the input has no honest answer
      DataError                   a file or a case is wrong, or beyond us
        UnreadableFile            not DICOM, truncated, undecodable
        MissingElement            a needed DICOM element is absent
        InvalidElement            an element's value cannot be right
        UnsupportedData           legal DICOM that planeval refuses by name
        InconsistentCase          objects that do not belong together
        AmbiguousSelection        more than one possible answer; an option must choose
      GeometryError               a geometric question without an answer
      MetricError
        MetricSyntax              metric text that cannot be parsed
        UndefinedMetric           the number of an undefined Value was asked for
      ProtocolError
        ProtocolSyntax            a protocol file that is not valid
        ExpressionSyntax          a structure expression that cannot be parsed
        UnknownStructure          no structure of that name
        AmbiguousStructure        a name with two readings
        UndecidedProtocol         no protocol was named, and none or several fit
      ReportError                 a document that cannot be written

A message says what was found, where, what was expected and what to do. Wrong *calls* (shapes, types,
negative lengths) stay ``ValueError`` and ``TypeError``.
"""

from __future__ import annotations

__all__ = [
    "AmbiguousSelection",
    "AmbiguousStructure",
    "DataError",
    "ExpressionSyntax",
    "GeometryError",
    "InconsistentCase",
    "InvalidElement",
    "MetricError",
    "MetricSyntax",
    "MissingElement",
    "PlanevalError",
    "ProtocolError",
    "ProtocolSyntax",
    "ReportError",
    "UndecidedProtocol",
    "UndefinedMetric",
    "UnknownStructure",
    "UnreadableFile",
    "UnsupportedData",
]


class PlanevalError(Exception):
    """The root: the input has no honest answer."""


class DataError(PlanevalError):
    """A file or a case is wrong, or beyond us."""


class UnreadableFile(DataError):  # noqa: N818 - the names are the published vocabulary
    """The file is not DICOM, is truncated or cannot be decoded."""


class MissingElement(DataError):  # noqa: N818
    """A DICOM element that the answer depends on is absent."""


class InvalidElement(DataError):  # noqa: N818
    """A DICOM element holds a value that cannot be right."""


class UnsupportedData(DataError):  # noqa: N818
    """Legal DICOM that planeval refuses by name."""


class InconsistentCase(DataError):  # noqa: N818
    """Objects that do not belong together: patient, frame or reference differ."""


class AmbiguousSelection(DataError):  # noqa: N818
    """More than one possible answer; the message names the option that chooses."""


class GeometryError(PlanevalError):
    """A geometric question without an answer, such as planes that are not parallel."""


class MetricError(PlanevalError):
    """Something is wrong with a metric."""


class MetricSyntax(MetricError):  # noqa: N818
    """Metric text that cannot be parsed; the message marks the column."""


class UndefinedMetric(MetricError):  # noqa: N818
    """The number of an undefined :class:`~planeval.model.Value` was asked for."""


class ProtocolError(PlanevalError):
    """Something is wrong with a protocol or with the names it uses."""


class ProtocolSyntax(ProtocolError):  # noqa: N818
    """A protocol file that is not valid; the message gives file and line."""


class ExpressionSyntax(ProtocolError):  # noqa: N818
    """A structure expression that cannot be parsed; the message gives the column."""


class UnknownStructure(ProtocolError):  # noqa: N818
    """No structure of that name; the message suggests the nearest ones."""


class AmbiguousStructure(ProtocolError):  # noqa: N818
    """A structure name with two readings; the message shows both spellings."""


class UndecidedProtocol(ProtocolError):  # noqa: N818
    """No protocol was named, and none or several fit; the message lists them with reasons."""


class ReportError(PlanevalError):
    """A document that cannot be written."""
