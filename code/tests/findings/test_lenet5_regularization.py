"""Each claim of the page, its evidence moved just past the boundary, and everything that the page shows."""

from dataclasses import replace

import fabricated
import pytest

from worked.claims import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from worked.findings import lenet5_regularization as lenet5
from worked.results import Results, of
from worked.study import StudyError

CLAIMS = {claim.id: claim for claim in lenet5.FINDINGS.claims}
# The metric whose rise speaks for the claim, and the setting in which it is moved.
MOVES = {
    "lenet5-pass": ("every", "test_accuracy"),
    "lenet5-aim": ("best", "test_accuracy"),
    "lenet5-dropout-test": ("dropout", "test_accuracy"),
    "lenet5-weight-decay-test": ("weight-decay", "test_accuracy"),
    "lenet5-batch-norm-test": ("batch-norm", "test_accuracy"),
    "lenet5-dropout-gap": ("dropout", "test_accuracy"),
    "lenet5-weight-decay-gap": ("weight-decay", "test_accuracy"),
    "lenet5-batch-norm-gap": ("batch-norm", "test_accuracy"),
    "lenet5-batch-norm-over-weight-decay": ("batch-norm", "test_accuracy"),
    "lenet5-batch-norm-over-dropout": ("batch-norm", "test_accuracy"),
    "lenet5-weight-decay-over-dropout": ("weight-decay", "test_accuracy"),
    "lenet5-batch-norm-sooner": ("batch-norm", "epochs"),
}


@pytest.fixture
def store(tmp_path, monkeypatch):
    filled = fabricated.store(tmp_path)
    monkeypatch.setenv("WORKED_STORE", str(tmp_path))
    return filled


def records(store):
    return lenet5.STUDY.present("full", store)


def moved(all_records, setting, metric, by):
    """The records with one metric of one setting moved, and spread a little between seeds."""
    best = lenet5.Summary(all_records).best
    out = []
    for record in all_records:
        here = setting in ("every", record.spec.config["regularization"]) or (
            setting == "best" and record.spec.config["regularization"] == best
        )
        if here and not record.trials:
            metrics = {**record.metrics, metric: record.metrics[metric] + by + 1e-4 * (record.spec.seed - 2)}
            record = replace(record, metrics=metrics)
        out.append(record)
    return out


def test_every_claim_is_moved():
    assert set(MOVES) == set(CLAIMS)


@pytest.mark.parametrize("name", [name for name, (_, metric) in MOVES.items() if metric != "epochs"])
def test_verdict_flips_when_its_evidence_passes_the_boundary(store, name):
    setting, metric = MOVES[name]

    def state(by):
        return CLAIMS[name].judge(lenet5.Summary(moved(records(store), setting, metric, by))).state

    effect = CLAIMS[name].judge(lenet5.Summary(moved(records(store), setting, metric, 0.0))).margin
    step = 1e-6
    assert state(-effect.low + step) == SUPPORTED
    assert state(-effect.low - step) == UNDECIDED
    assert state(-effect.high + step) == UNDECIDED
    assert state(-effect.high - step) == NOT_SUPPORTED


def test_sooner_flips_with_the_epochs(store):
    def state(first_epoch):  # of batch norm; without regularisation the bar is passed in epochs 5, 5, 5, 5 and 6
        changed = []
        for record in records(store):
            name = record.spec.config["regularization"]
            if not record.trials and name in ("none", "batch-norm"):
                at = first_epoch if name == "batch-norm" else 5 + (record.spec.seed == 4)
                curve = [0.5] * (at - 1) + [0.9] * (21 - at)
                record = replace(record, history={**record.history, "validation_accuracy": curve})
            changed.append(record)
        return CLAIMS["lenet5-batch-norm-sooner"].judge(lenet5.Summary(changed)).state

    assert [state(epoch) for epoch in (4, 5, 6)] == [SUPPORTED, UNDECIDED, NOT_SUPPORTED]


def test_best_setting_ignores_test_numbers(store):
    before = lenet5.Summary(records(store)).best
    worst = moved(records(store), before, "test_accuracy", -0.5)
    assert lenet5.Summary(worst).best == before


def test_figures_and_tables_hold_every_number(store):
    shown = of(lenet5.FINDINGS)
    chart = shown.show(lenet5.convergence)
    assert len(chart.rows) == 4 * 2 * 20
    assert "Batch norm: train from" in chart.alt
    assert len(shown.show(lenet5.search).rows) == 4 + 12 + 12 + 5
    table = shown.show(lenet5.accuracies)
    assert len(table.body) == 4
    assert len(table.rows) == 20
    assert "nan" not in str(table.body)
    assert {row[2] for row in shown.show(lenet5.choice).body} <= {"0.01", "0.03", "0.1", "0.3", "1"}
    assert "supported" in shown.claims("lenet5-pass")._repr_markdown_()


def test_provenance_is_of_what_was_drawn(store):
    shown = of(lenet5.FINDINGS)
    assert "seed 100 " in shown.show(lenet5.choice, searches=True).provenance
    assert "[4 records]" in shown.show(lenet5.search, searches=True).provenance
    assert "seeds 0 to 4" in shown.show(lenet5.convergence).provenance
    assert "[20 records]" in shown.show(lenet5.convergence).provenance


def test_text_is_computed_from_the_records(store):
    summary = of(lenet5.FINDINGS).summary
    assert "54,000 remain" in lenet5.protocol(summary)
    assert "one run of 10 epochs with the seed 100" in lenet5.searching(summary)
    assert "0 trials ended" in lenet5.searching(summary)
    assert f"**{lenet5.NAMES[summary.best]}**" in lenet5.brief(summary)


def test_a_diverged_run_is_named_and_a_diverged_trial_is_left_out(store):
    every = records(store)
    broken = [replace(r, diverged="a loss was not finite") if r.spec.seed == 3 else r for r in every]
    with pytest.raises(StudyError, match="diverged and has no accuracy to show"):
        lenet5.Summary(broken)
    lost = [
        replace(r, trials=[{**r.trials[0], "validation_accuracy": None, "diverged": "x"}, *r.trials[1:]])
        if r.trials
        else r
        for r in every
    ]
    chart = lenet5.search(lenet5.Summary(lost))
    assert "nan" not in chart.alt
    assert len(chart.rows) == 4 + 12 + 12 + 5 - 4
    assert "4 trials ended" in lenet5.searching(lenet5.Summary(lost))


def test_charts_are_written_for_the_page(store, tmp_path, monkeypatch):
    folder = tmp_path / "page"
    folder.mkdir()
    monkeypatch.setenv("WORKED_PAGE_FILES", str(folder))
    bundle = of(lenet5.FINDINGS).show(lenet5.convergence)._repr_mimebundle_()
    assert {path.suffix for path in folder.iterdir()} == {".svg", ".pdf", ".csv"}
    first = (folder / "lenet5-regularization-convergence.svg").read_bytes()
    of(lenet5.FINDINGS).show(lenet5.convergence)._repr_mimebundle_()
    assert (folder / "lenet5-regularization-convergence.svg").read_bytes() == first
    for said in (":alt:", "Profile full", "official fashion_mnist data", "seeds 0 to 4", "CPU", "2026-01-01"):
        assert said in bundle["text/markdown"]


def test_notice_says_what_is_not_full_or_not_official(store):
    shown = of(lenet5.FINDINGS)
    assert "have not been replayed" in shown.notice().myst  # made by no code that exists
    reduced = Results(shown.findings, "laptop", store)
    reduced.__dict__["records"] = [replace(record, data_source="reduced") for record in shown.records]
    assert "profile *laptop*" in reduced.notice().myst
    assert "do not compare" in reduced.notice().myst


def test_notice_is_empty_for_full_official_replayed_results(store):
    shown = of(lenet5.FINDINGS)
    code = lenet5.STUDY.code()
    shown.__dict__["records"] = [replace(record, code=code) for record in shown.records]
    assert shown.notice() is None
