"""What a job says of its protocol is the whole protocol: nothing is read again where the plan is."""

import json

import pytest

from planeval.cohort.protocols import asked_of, protocol_of
from planeval.protocol.library import available, load

SITE = """schema: planeval.protocol/1
id: site
title: A site's set
version: "1"
review: {status: draft}
include: [{set: quantec-abdomen}]
constraints:
  - {id: a, structure: Stomach, kind: limit, metric: "Max[Gy]", per_protocol: "<= 30"}
"""


def travelled(asked):
    """The settings of a job after their way to a child process."""
    return json.loads(json.dumps(asked))


def parts(protocol):
    """Everything in a protocol; models are equal only if the same fields were written out."""
    file = protocol.file.model_dump(mode="json")
    return file, protocol.sha256, protocol.name, protocol.text, protocol.origin, protocol.includes


@pytest.mark.parametrize("name", [entry.id for entry in available()])
def test_every_shipped_protocol_arrives_as_it_was_sent(name):
    """Content, digest and origin."""
    assert parts(protocol_of(travelled(asked_of(name, None)))) == parts(load(name))


def test_included_sets_are_in_it(tmp_path):
    """The rows of an included set are judged in a cohort as in a single evaluation."""
    path = tmp_path / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    sent, found = load(path), protocol_of(travelled(asked_of(path, None)))
    assert parts(found) == parts(sent)
    assert len(found.file.constraints) > 5
    assert [part.id for part in found.includes] == ["quantec-abdomen"]
    assert found.sha256 == sent.sha256


def test_metrics_of_a_file_are_added_to_an_included_set(tmp_path):
    """Rows of the file come last; digest and parts stay those of the protocol."""
    path, metrics = tmp_path / "site.yaml", tmp_path / "metrics.csv"
    path.write_text(SITE, encoding="utf-8")
    metrics.write_text("structure,metric\nLiver,Mean[Gy]\n", encoding="utf-8")
    sent, found = load(path), protocol_of(travelled(asked_of(path, metrics)))
    assert found.file.constraints[:-1] == sent.file.constraints
    assert found.file.constraints[-1].id == "metrics.1"
    assert (found.sha256, found.includes) == (sent.sha256, sent.includes)
