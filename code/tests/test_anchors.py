"""Anchors are met, a failing one is named in one sentence, and what is not the same quantity is refused."""

import math
from dataclasses import replace

import pytest

from worked import anchors
from worked.page import ROOT
from worked.records import Store
from worked.study import StudyError

STORE = Store(ROOT / "results")
BY_ID = {anchor.id: anchor for anchor in anchors.ANCHORS}


def test_every_anchor_is_met():
    assert anchors.failures(anchors.checked(STORE)) == []


@pytest.mark.parametrize("anchor", anchors.ANCHORS, ids=lambda anchor: anchor.id)
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_number_just_beyond_the_tolerance_fails(anchor, sign):
    inside, beyond = (
        replace(anchor, measured=lambda store, by=by: anchor.published + sign * by * anchor.tolerance)
        for by in (0.999, 1.001)
    )
    (failure,) = anchors.failures([inside.check(STORE), beyond.check(STORE)])
    assert failure.startswith(f"the anchor {anchor.id} is not met: ")
    assert "\n" not in failure


def test_nan_is_not_met():
    assert not replace(BY_ID["selu"], measured=lambda store: math.nan).check(STORE).met


def test_a_network_without_its_biases_or_with_another_layer_would_be_seen(monkeypatch):
    monkeypatch.setattr(anchors.layers, "VGG11", anchors.layers.VGG11[:-4] + anchors.layers.VGG11[-3:])
    assert not BY_ID["vgg11-parameters"].check(STORE).met


def test_an_anchor_needs_official_data_and_the_full_profile(tmp_path, monkeypatch):
    anchor = BY_ID["fashion-mnist"]
    with pytest.raises(StudyError, match="lacks records of the profile full"):
        anchor.check(Store(tmp_path))
    study = anchors.published_mlp.STUDY
    reduced = [replace(record, data_source="reduced") for record in study.present("full", STORE)]
    monkeypatch.setattr(type(study), "present", lambda self, profile, store: reduced)
    with pytest.raises(StudyError, match="an anchor needs official data"):
        anchor.check(STORE)


def test_the_table_and_its_sources():
    compared = anchors.checked(STORE)
    table = anchors.table(compared)
    assert [row[-1] for row in table.body] == ["met"] * len(anchors.ANCHORS)
    assert len(table.rows) == len(compared)
    told = anchors.sources(compared)
    assert all(anchor.why in told and anchor.where in told for anchor in anchors.ANCHORS)
    assert all("{cite:t}" in anchor.where for anchor in anchors.ANCHORS)
    worse = replace(compared[0], measured=0.5)
    assert anchors.table([worse]).body[0][-1] == "**not met**"
