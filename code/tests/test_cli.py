"""The command line on a real study: the profile ``smoke``, run once for all tests of this module."""

import json
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace

import fabricated
import pytest
import torch
from safetensors.torch import load_file, save_file

from worked import data, studies
from worked.anchors import Anchor
from worked.cli import main
from worked.findings import lenet5_regularization as findings
from worked.measurement import Context
from worked.records import Store
from worked.replay import replay
from worked.studies import lenet5_regularization as lenet5
from worked.study import why_missing

STUDY = studies.load("lenet5-regularization")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with the generated data and every record of the profile smoke."""
    folder = tmp_path_factory.mktemp("smoke")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKED_STORE", str(folder / "results"))
        patch.setenv("WORKED_DATA", str(folder / "data"))
        data.generate("fashion_mnist", train=800, test=200)
        assert main(["run", "--profile", "smoke", STUDY.slug]) == 0
    return folder


@pytest.fixture
def store(measured, tmp_path, monkeypatch):
    """A copy of that store, which a test may spoil."""
    shutil.copytree(measured / "results", tmp_path / "results")
    monkeypatch.setenv("WORKED_STORE", str(tmp_path / "results"))
    monkeypatch.setenv("WORKED_DATA", str(measured / "data"))
    return Store(tmp_path / "results")


def specs(store, *, search=False):
    return [spec for spec in STUDY.wanted("smoke", store) if ("search" in spec.config) == search]


def fails(capsys, *words):
    """The one sentence with which a command fails."""
    assert main(list(words)) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    lines = [line for line in lines if line.startswith("worked: ")]
    assert len(lines) == 1
    return lines[0]


def test_smoke_is_complete_and_never_published(store):
    assert len(STUDY.present("smoke", store)) == 4 + 4 * 2
    assert STUDY.best_profile(store) is None


def test_smoke_needs_a_store_of_its_own(monkeypatch, capsys):
    monkeypatch.delenv("WORKED_STORE")
    assert "never published" in fails(capsys, "run", "--profile", "smoke")


def test_records_hold_no_host_and_no_path(store):
    for path in (store.root / STUDY.slug).glob("*.json"):
        text = path.read_text()
        assert socket.gethostname() not in text
        assert "/" not in json.loads(text)["environment"]["device_name"]
        assert str(store.root.parent) not in text


def test_a_deleted_record_is_measured_again_alone(store, capsys):
    spec = specs(store)[3]
    before = store.read(spec)
    store.path(spec).unlink()
    assert main(["run", "--profile", "smoke", STUDY.slug]) == 0
    out = capsys.readouterr().out
    runs = [line for line in out.splitlines() if line.startswith("run ")]
    assert len(runs) == 1
    assert runs[0].startswith(f"run {spec.key} ")
    assert "no record; nearest is" in runs[0]
    assert f"{STUDY.slug}, profile smoke: 1 measured, 11 stored before" in out
    after = store.read(spec)
    assert (after.metrics, after.history, after.trace) == (before.metrics, before.history, before.trace)


def test_the_reason_names_the_field_that_differs(store):
    spec = specs(store)[0]
    store.path(spec).unlink()
    assert "which differs in seed 0 (there 1)" in why_missing(spec, store)


def test_a_damaged_record_is_set_aside_and_measured_again(store, capsys):
    for spec in (specs(store)[0], specs(store, search=True)[0]):
        store.path(spec).write_text("{}")
    assert main(["run", "--profile", "smoke", STUDY.slug]) == 0
    out = capsys.readouterr().out
    assert out.count("its record was damaged and is kept as") == 2
    assert "2 measured, 10 stored before" in out
    assert len(list((store.root / STUDY.slug).glob("*.damaged-1"))) == 2


def test_other_data_under_the_same_name_are_refused(store, capsys):
    missing, other = specs(store)[0], store.read(specs(store)[1])
    store.write(replace(other, data_fingerprint={**other.data_fingerprint, "train": "0" * 64}))
    store.path(missing).unlink()
    sentence = fails(capsys, "run", "--profile", "smoke", STUDY.slug)
    assert "0" * 64 in sentence
    assert other.data_fingerprint["train"] in sentence
    assert not store.path(missing).exists()


def test_every_record_replays_exactly(store, capsys):
    assert main(["replay", STUDY.slug]) == 0
    assert "12 agree, 0 disagree, 0 not replayed; 0 stamped" in capsys.readouterr().out


def test_changed_code_makes_records_unreplayed_until_they_are_replayed(store, monkeypatch, capsys):
    records = STUDY.present("smoke", store)
    assert STUDY.unreplayed(records, store) == []
    monkeypatch.setattr("worked.study.code_fingerprint", lambda modules: "f" * 64)
    assert len(STUDY.unreplayed(records, store)) == 12
    assert main(["replay", STUDY.slug]) == 0
    assert "12 stamped with today's code" in capsys.readouterr().out
    assert STUDY.unreplayed(records, store) == []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("loss", "the loss of step 3 is"),
        ("rate", "the learning rate of epoch 2 is"),
        ("initial", "the initial validation_loss is"),
        ("data", "the test data have the fingerprint"),
        ("metrics", "its metrics are not those of the epoch that its history selects"),
        ("weights", "train_loss of its weights is"),
    ],
)
def test_replay_sees_what_does_not_agree(store, what, said):
    record = store.read(specs(store)[0])
    trace = json.loads(json.dumps(record.trace))
    if what == "loss":
        trace["losses"][2] *= 1.00001
    elif what == "rate":
        trace["rates"][1] *= 1.00001
    elif what == "initial":
        trace["initial"]["validation_loss"] += 1e-5
    changes = {
        "data": {"data_fingerprint": {**record.data_fingerprint, "test": "0" * 64}},
        "metrics": {"metrics": {**record.metrics, "test_accuracy": 0.99}},
    }
    if what == "weights":
        path = store.weights_path(record.spec)
        weights = load_file(path)
        weights["classifier.1.bias"] += torch.linspace(-3, 3, 84)
        save_file(weights, path)
    outcome = replay(STUDY, replace(record, trace=trace, **changes.get(what, {})), store, device="cpu")
    assert outcome.agrees is False
    assert said in outcome.detail


def test_replay_allows_rounding_only_on_another_machine(store):
    record = store.read(specs(store)[0])
    trace = {**record.trace, "losses": [loss * 1.0001 for loss in record.trace["losses"]]}
    near = replace(record, trace=trace)
    assert replay(STUDY, near, store, device="cpu").agrees is False
    elsewhere = replace(near, environment={**record.environment, "device_name": "another"})
    assert replay(STUDY, elsewhere, store, device="cpu").agrees is True
    far = replace(elsewhere, trace={**trace, "losses": [loss * 1.01 for loss in record.trace["losses"]]})
    assert replay(STUDY, far, store, device="cpu").agrees is False


@pytest.mark.parametrize("kind", ["search", "run"])
def test_dropout_of_another_device_is_not_replayed(store, kind):
    record = next(r for r in STUDY.present("smoke", store)
                  if r.spec.config["regularization"] == "dropout" and bool(r.trials) == (kind == "search"))  # fmt: skip
    elsewhere = replace(record, environment={**record.environment, "device": "cuda"})
    assert replay(STUDY, elsewhere, store, device="cpu").agrees is None


def test_nothing_is_chosen_by_test_numbers(store, monkeypatch):
    """With scrambled test labels a search chooses the same and a run selects the same epoch and weights."""
    true_load = data.load

    def scrambled(name, split, **how):
        loaded = true_load(name, split, **how)
        if split == "test":
            loaded.labels.copy_(loaded.labels[torch.randperm(len(loaded), generator=torch.Generator().manual_seed(5))])
        return loaded

    search, run = specs(store, search=True)[1], specs(store)[0]
    monkeypatch.setattr("worked.data.load", scrambled)
    blind = STUDY.measure(search, Context("cpu"))
    assert blind.trials == store.read(search).trials
    blind, true = STUDY.measure(run, Context("cpu")), store.read(run)
    assert blind.metrics["selected_epoch"] == true.metrics["selected_epoch"]
    assert blind.metrics["validation_accuracy"] == true.metrics["validation_accuracy"]
    assert blind.history["test_loss"] != true.history["test_loss"]
    weights = load_file(store.weights_path(run))
    assert all(torch.equal(weights[name], blind.weights[name]) for name in weights)


def test_a_search_resumes_from_its_journal(store, tmp_path, monkeypatch):
    import worked.replicates

    trained, true_train = [], worked.replicates.train
    monkeypatch.setattr("worked.replicates.train", lambda *a, **k: trained.append(1) or true_train(*a, **k))
    search, journal, ticks = specs(store, search=True)[1], tmp_path / "journal", []
    context = Context("cpu", code="c", journal=journal, tick=ticks.append)
    whole = STUDY.measure(search, context)
    lines = [line for line in journal.read_text().splitlines() if line]
    assert len(lines) == len(whole.trials) == len(trained) == sum(ticks) == 6
    journal.write_text("\n".join(lines[:4]) + "\n" + lines[4][:50])  # killed while it noted the fifth
    trained.clear()
    assert STUDY.measure(search, context) == whole
    assert len(trained) == 2
    assert sum(ticks) == 12  # the bar counts what was noted, too
    trained.clear()
    assert STUDY.measure(search, replace(context, code="other")) == whole
    assert len(trained) == 6


def test_killed_in_the_middle_it_loses_no_finished_run(store):
    """SIGKILL while runs are measured: what was stored stays as it was, and the next run goes on."""
    for spec in specs(store)[2:]:
        store.path(spec).unlink()
    kept = {path: path.read_bytes() for path in (store.root / STUDY.slug).glob("*.json")}
    process = subprocess.Popen([sys.executable, "-m", "worked", "run", "--profile", "smoke", STUDY.slug],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    while len(found := set((store.root / STUDY.slug).glob("*.json"))) == len(kept):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    kept |= {path: path.read_bytes() for path in found - set(kept)}
    assert main(["run", "--profile", "smoke", STUDY.slug]) == 0
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert len(STUDY.present("smoke", store)) == 12
    # no journal is left; a kill inside a write leaves the temporary file of that write, which nothing reads
    assert not list((store.root / STUDY.slug).glob("*.trials.partial"))


def test_train_and_test(store, tmp_path, capsys):
    weights = tmp_path / "w.safetensors"
    for setting in lenet5.SETTINGS:
        how = ["lenet5", "--profile", "smoke", "--weights", str(weights)]
        assert main(["train", *how, "--regularization", setting, "--seed", "1"]) == 0
        out = capsys.readouterr().out
        assert "these numbers are the same as those of the record" in out
        assert main(["test", *how]) == 0
        line = next(line for line in out.splitlines() if line.startswith("test_accuracy"))
        assert line in capsys.readouterr().out


def test_bad_weights_are_one_sentence(store, tmp_path, capsys):
    how = ["test", "lenet5", "--profile", "smoke", "--weights"]
    assert "cannot be read" in fails(capsys, *how, str(tmp_path / "none.safetensors"))
    (tmp_path / "bad.safetensors").write_bytes(b"not weights")
    assert "cannot be read" in fails(capsys, *how, str(tmp_path / "bad.safetensors"))
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    assert "weights of another network" in fails(capsys, *how, str(tmp_path / "other.safetensors"))


def test_training_needs_the_search(capsys, tmp_path):
    how = ["--regularization", "dropout", "--weights", str(tmp_path / "w.safetensors")]
    assert "the search that chooses the hyperparameters of dropout is not stored" in fails(
        capsys, "train", "lenet5", *how
    )


def test_missing_data_is_one_sentence(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("WORKED_DATA", str(tmp_path))
    assert "worked data fetch fashion_mnist" in fails(capsys, "run", STUDY.slug)


def test_a_build_mends_a_damaged_record_or_names_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORKED_STORE", str(tmp_path))
    filled = fabricated.store(tmp_path)
    assert main(["run", "--for-build", STUDY.slug]) == 0
    assert "every record of the profile full is stored" in capsys.readouterr().out
    filled.path(STUDY.wanted("full", filled)[0]).write_text("damaged")
    monkeypatch.setenv("WORKED_RESULTS", "stored")
    assert "is not a record" in fails(capsys, "run", "--for-build", STUDY.slug)
    monkeypatch.setenv("WORKED_RESULTS", "reuse")
    monkeypatch.setenv("WORKED_DATA", str(tmp_path / "none"))
    assert "worked data fetch" in fails(capsys, "run", "--for-build", STUDY.slug)  # it went on to measure


@pytest.mark.parametrize("name", ["verdicts.json", "replays.json"])
def test_a_damaged_file_beside_the_records_is_named(one_study, tmp_path, capsys, name):
    fabricated.store(tmp_path)
    (tmp_path / name).write_text("{")
    assert f"{name} is damaged" in fails(capsys, "verify" if name == "verdicts.json" else "status")


def test_weights_that_cannot_be_written_are_refused_before_training(store, tmp_path, capsys):
    how = ["train", "lenet5", "--profile", "smoke", "--regularization", "none", "--weights"]
    assert "expected a file for --weights" in fails(capsys, *how, str(tmp_path))
    assert "cannot be read or written" in fails(capsys, *how, str(tmp_path / "no folder" / "w.safetensors"))


def test_stored_policy_runs_nothing(monkeypatch, capsys):
    monkeypatch.setenv("WORKED_RESULTS", "stored")
    assert "0 of 4 or more records" in fails(capsys, "run", "--for-build", STUDY.slug)
    monkeypatch.setenv("WORKED_RESULTS", "sometimes")
    assert "expected $WORKED_RESULTS to be one of reuse, stored, fresh" in fails(capsys, "run", "--for-build")


def test_unknown_study_and_wrong_usage(capsys):
    assert "no study is called 'lenet6'" in fails(capsys, "run", "lenet6")
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--profile", "huge"])


def test_status_names_orphans(store, monkeypatch, capsys):
    orphan = specs(store, search=True)[0]
    assert main(["status"]) == 0
    assert "no study asks" not in capsys.readouterr().out
    monkeypatch.setattr("worked.study.Study.is_complete", lambda *_: True)
    record = store.read(orphan)
    store.write(replace(record, spec=replace(orphan, protocol=0)))
    assert main(["status"]) == 0
    assert f"no study asks any more for {replace(orphan, protocol=0).key}" in capsys.readouterr().out


def test_an_unexpected_error_is_a_sentence_too(monkeypatch, capsys):
    monkeypatch.setattr("worked.cli.Store.default", lambda: 1 / 0)
    assert "ZeroDivisionError: division by zero; run it again with --debug" in fails(capsys, "status")
    with pytest.raises(ZeroDivisionError):
        main(["--debug", "status"])


@pytest.fixture
def one_study(tmp_path, monkeypatch):
    """A book of no derivation and one study, its records made up."""
    monkeypatch.setenv("WORKED_STORE", str(tmp_path))
    monkeypatch.setattr("worked.derivations.names", lambda: [])
    monkeypatch.setattr("worked.findings.every", lambda: [findings.FINDINGS])
    monkeypatch.setattr("worked.anchors.ANCHORS", ())


def test_verify_proves(one_study, monkeypatch, capsys):
    monkeypatch.setattr("worked.derivations.names", lambda: ["nothing"])
    assert "there is no derivation 'nothing'" in fails(capsys, "verify")


def test_verify_accepts_and_then_sees_changes(one_study, tmp_path, capsys):
    filled = fabricated.store(tmp_path)
    assert main(["verify"]) == 1
    assert "accepted was nothing" in capsys.readouterr().err
    assert main(["verify", "--accept"]) == 0
    assert main(["verify"]) == 0
    noted = json.loads((filled.root / "verdicts.json").read_text())
    noted["lenet5-pass"] = "not supported"
    (filled.root / "verdicts.json").write_text(json.dumps(noted))
    capsys.readouterr()
    assert "the claim lenet5-pass is supported, accepted was not supported" in fails(capsys, "verify")
    assert main(["claims", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {row["id"] for row in listed} == set(noted)
    assert all(row["n"] == 5 for row in listed)


def test_verify_fails_where_an_anchor_is_not_met(one_study, tmp_path, monkeypatch, capsys):
    fabricated.store(tmp_path)
    assert main(["verify", "--accept"]) == 0
    measured = [0.87]
    anchor = Anchor("some", "share", "a share", "a paper", 0.871, 0.01, "a reason", lambda store: measured[0])
    monkeypatch.setattr("worked.anchors.ANCHORS", (anchor,))
    assert main(["verify"]) == 0
    assert "the anchor some is met: a share, published 0.871, here 0.8700" in capsys.readouterr().out
    measured[0] = 0.86
    assert fails(capsys, "verify") == (
        "worked: the anchor some is not met: a share, published 0.871, here 0.8600, allowed difference 0.01"
    )


def test_verify_refuses_an_edited_record(one_study, tmp_path, capsys):
    fabricated.store(tmp_path)
    path = sorted((tmp_path / STUDY.slug).glob("*.json"))[0]
    path.write_text(path.read_text().replace('"seconds": 1.0', '"seconds": 2.0'))
    assert "it was edited" in fails(capsys, "verify")
