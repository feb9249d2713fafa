"""The command line. An error is one sentence on standard error and exit status 1; wrong usage exits with 2."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from worked import executors
from worked.measurement import Context
from worked.records import Store
from worked.study import PROFILE_NAMES, Study, StudyError

if TYPE_CHECKING:
    from worked.records import Record
    from worked.replay import Replay

POLICIES = ("reuse", "stored", "fresh")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except BrokenPipeError:  # as of `worked status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("worked: stopped", file=sys.stderr)
        return 130
    except Exception as error:
        if arguments.debug:
            raise
        print(f"worked: {_sentence(error)}", file=sys.stderr)
        return 1


def _sentence(error: Exception) -> str:
    """What a user is told of an error."""
    said = " ".join(str(error).split())
    if type(error).__name__ in ("DataError", "RecordError", "StudyError", "Rejected"):
        return said
    if isinstance(error, OSError):
        file = error.filename or "a file"
        return f"{file} cannot be read or written ({error.strerror or said}): mend that and run the same command again"
    return f"{type(error).__name__}: {said}; run it again with --debug to see where"


def _parser() -> argparse.ArgumentParser:
    from worked.studies.lenet5_regularization import SETTINGS

    parser = argparse.ArgumentParser(prog="worked", description="Run, replay and verify what the report shows.")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help)
        added.set_defaults(command=function)
        return added

    def on_device(added: argparse.ArgumentParser) -> None:
        added.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")

    def in_processes(added: argparse.ArgumentParser) -> None:
        added.add_argument("--workers", type=_positive, help="processes on a CPU (default: one a core)")

    command("status", status, "List studies with their records: present, missing, unreplayed, device, date.")

    added = command("run", run, "Measure the records that are missing, and say why they are.")
    added.add_argument("study", nargs="*", help="all studies if none is named")
    added.add_argument("--profile", choices=PROFILE_NAMES, default="full")
    in_processes(added)
    added.add_argument("--executor", choices=executors.NAMES, default="local", help="who does the runs")
    added.add_argument("--scheduler", metavar="ADDRESS", help="of Dask (default: processes of this machine)")
    added.add_argument("--fresh", action="store_true", help="measure again what is stored")
    added.add_argument("--for-build", action="store_true", help="do what $WORKED_RESULTS asks for before a build")
    on_device(added)

    added = command("replay", replay, "Run the first steps of the records with today's code and compare.")
    added.add_argument("study", nargs="*", help="all studies if none is named")
    in_processes(added)
    on_device(added)

    added = command("verify", verify, "Prove every derivation, judge every claim, compare every anchor.")
    in_processes(added)
    added.add_argument("--accept", action="store_true", help="note today's verdicts as the accepted ones")

    added = command("claims", claims, "List every claim with verdict, effect, interval and n.")
    added.add_argument("--json", action="store_true")

    added = command("train", train, "Train a network as its study does, and keep its weights.")
    added.add_argument("network", choices=tuple(NETWORKS))
    added.add_argument("--regularization", required=True, choices=SETTINGS)
    added.add_argument("--seed", type=int, default=0)
    added.add_argument("--weights", type=Path, required=True, metavar="OUT.safetensors")
    added.add_argument("--profile", choices=PROFILE_NAMES, default="full")
    on_device(added)

    added = command("test", test, "Print the accuracies of a network with stored weights.")
    added.add_argument("network", choices=tuple(NETWORKS))
    added.add_argument("--weights", type=Path, required=True, metavar="FILE.safetensors")
    added.add_argument("--profile", choices=PROFILE_NAMES, default="full")
    on_device(added)

    added = command("data", data, "Show, download or generate image sets.")
    added.add_argument("action", choices=("status", "fetch", "generate"))
    added.add_argument("name", nargs="?")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {number}")
    return number


# -- studies ---------------------------------------------------------------------------------------------------------


def _studies(slugs: Sequence[str]) -> list[Study]:
    from worked import studies

    return [studies.load(slug) for slug in slugs or studies.names()]


def status(arguments: argparse.Namespace) -> int:
    """``worked status``."""
    store = Store.default()
    print(f"{'study':28} {'profile':8} {'present':>8} {'missing':>8} {'unreplayed':>10}  device, date")
    for study in _studies([]):
        asked: set[str] = set()
        for profile in study.profiles:
            specs, records = study.wanted(profile, store), study.present(profile, store)
            asked |= {spec.key for spec in specs}
            devices = sorted({record.environment["device_name"] for record in records})
            dates = sorted({record.created[:10] for record in records})
            missing = len(specs) - len(records)  # known now: runs wait for their searches
            unreplayed = len(study.unreplayed(records, store))
            print(
                f"{study.slug:28} {profile:8} {len(records):8} {missing:8} {unreplayed:10}  "
                + ", ".join([*devices, *dates])
            )
        # A search that is missing hides the runs that follow from it.
        known = study.is_complete("full", store)
        orphans = [record.key for record in store.readable(study.slug) if record.key not in asked]
        if known and orphans:
            print(f"{study.slug}: no study asks any more for {', '.join(orphans)}")
    return 0


def run(arguments: argparse.Namespace) -> int:
    """``worked run``."""
    from worked.study import run as run_study

    store = Store.default()
    policy = os.environ.get("WORKED_RESULTS", "reuse") if arguments.for_build else "reuse"
    if policy not in POLICIES:
        raise StudyError(f"expected $WORKED_RESULTS to be one of {', '.join(POLICIES)}, got {policy!r}")
    if arguments.profile == "smoke" and "WORKED_STORE" not in os.environ:
        raise StudyError("the profile smoke is never published: set $WORKED_STORE to a folder for its records")
    for study in _studies(arguments.study):
        best = study.best_profile(store) if arguments.for_build and policy != "fresh" else None
        if best is not None:
            print(f"{study.slug}: every record of the profile {best} is stored")
            continue
        if policy == "stored":
            present, wanted = len(study.present("full", store)), len(study.wanted("full", store))
            raise StudyError(
                f"$WORKED_RESULTS is stored and {study.slug} has {present} of {wanted} or more records of the profile "
                f"full: restore them from git or run `worked run {study.slug}`"
            )
        plan = run_study(
            study,
            arguments.profile,
            store,
            device=arguments.device,
            executor=arguments.executor,
            scheduler=arguments.scheduler,
            workers=arguments.workers,
            fresh=arguments.fresh or policy == "fresh",
            say=lambda line: print(line, flush=True),
        )
        print(f"{study.slug}, profile {arguments.profile}: {plan.measured} measured, {plan.reused} stored before")
    return 0


def replay(arguments: argparse.Namespace) -> int:
    """``worked replay``."""
    from worked.machine import resolve_device
    from worked.replay import stamp

    store, device = Store.default(), resolve_device(arguments.device)
    failed = 0
    with executors.processes(device, arguments.workers) as pool:
        for study in _studies(arguments.study):
            records = [record for profile in study.profiles for record in study.present(profile, store)]
            outcomes = []
            for outcome in pool.map(partial(_replay, study.module, store=store, device=device), records):
                outcomes.append(outcome)
                word = {True: "agrees", False: "DISAGREES", None: "not replayed"}[outcome.agrees]
                print(f"{study.slug} {outcome.key}: {word}: {outcome.detail}", flush=True)
            agreeing = {outcome.key for outcome in outcomes if outcome.agrees}
            if restamped := agreeing & set(study.unreplayed(records, store)):
                stamp(store, study, sorted(restamped), device)
            disagreeing = sum(outcome.agrees is False for outcome in outcomes)
            failed += disagreeing
            rest = len(outcomes) - len(agreeing) - disagreeing
            print(
                f"{study.slug}: {len(agreeing)} agree, {disagreeing} disagree, {rest} not replayed; "
                f"{len(restamped)} stamped with today's code"
            )
    return 1 if failed else 0


def _replay(module: str, record: "Record", store: Store, device: str) -> "Replay":
    """Replay one record in a process of its own."""
    from worked.replay import replay

    return replay(import_module(module).STUDY, record, store, device=device)


# -- proofs and claims -----------------------------------------------------------------------------------------------


def verify(arguments: argparse.Namespace) -> int:
    """``worked verify``."""
    from worked import anchors, derivations, ledger

    store, start = Store.default(), time.monotonic()
    with executors.processes("cpu", arguments.workers) as pool:
        for lines in pool.map(_prove, derivations.names()):
            print("\n".join(lines), flush=True)
    print(f"all of them in {time.monotonic() - start:.0f} s")
    verdicts = ledger.verdicts(ledger.chapters(store))
    for verdict in verdicts:
        print(f"{verdict.claim.id}: {verdict.state} ({verdict.numbers})")
    if arguments.accept:
        ledger.accept(store, verdicts)
        print(f"accepted {len(verdicts)} verdicts")
    compared = anchors.checked(store)
    for comparison in compared:
        print(comparison.sentence)
    failed = ledger.changes(store, verdicts) + anchors.failures(compared)
    for line in failed:
        print(f"worked: {line}", file=sys.stderr)
    return 1 if failed else 0


def _prove(name: str) -> list[str]:
    """Prove one derivation in a process of its own, whatever builds have noted; what there is to tell."""
    from worked import derivations

    start = time.monotonic()
    return [*derivations.prove(name).lines(), f"  proved in {time.monotonic() - start:.1f} s"]


def claims(arguments: argparse.Namespace) -> int:
    """``worked claims``."""
    from worked import ledger

    verdicts = ledger.verdicts(ledger.chapters(Store.default()))
    if arguments.json:
        print(json.dumps([verdict.as_json() for verdict in verdicts], indent=1))
    else:
        for verdict in verdicts:
            print(f"{verdict.claim.id}: {verdict.state}: {verdict.claim.statement} ({verdict.numbers})")
    return 0


# -- networks and data -----------------------------------------------------------------------------------------------

NETWORKS = {"lenet5": "lenet5-regularization"}  # the study whose protocol trains it


def train(arguments: argparse.Namespace) -> int:
    """``worked train``."""
    from safetensors.torch import save
    from tqdm import tqdm

    from worked.machine import keep_freed_memory, prepare_process, resolve_device
    from worked.records import write_atomically

    study, store = _studies([NETWORKS[arguments.network]])[0], Store.default()
    device = resolve_device(arguments.device)
    keep_freed_memory()
    prepare_process(device)
    wanted = study.wanted(arguments.profile, store)
    specs = [s for s in wanted if s.config["regularization"] == arguments.regularization and "search" not in s.config]
    if not specs:
        raise StudyError(
            f"the search that chooses the hyperparameters of {arguments.regularization} is not stored: "
            f"run `worked run {study.slug} --profile {arguments.profile}`"
        )
    if arguments.weights.is_dir():
        raise StudyError(f"expected a file for --weights, got the folder {arguments.weights}")
    with tempfile.TemporaryFile(dir=arguments.weights.parent):
        pass  # fails now, and not after the training, where nothing can be written
    spec = replace(specs[0], seed=arguments.seed)
    print(", ".join(f"{name} {value}" for name, value in spec.config.items()) + f", seed {spec.seed}, on {device}")
    with tqdm(total=study.epochs(spec), unit="epoch", dynamic_ncols=True) as bar:
        measured = study.measure(spec, Context(device, keep_weights=True, tick=bar.update))
    if measured.diverged or not measured.weights:
        raise StudyError(f"the training gave no weights: {measured.diverged}")
    write_atomically(arguments.weights, save(dict(measured.weights)))
    _print_metrics(measured.metrics)
    if record := store.read(spec):
        same = "the same as" if dict(record.metrics) == dict(measured.metrics) else "not the same as"
        print(f"these numbers are {same} those of the record {record.key}")
    print(f"weights of the selected epoch: {arguments.weights}")
    return 0


def test(arguments: argparse.Namespace) -> int:
    """``worked test``."""
    from worked.machine import prepare_process, resolve_device
    from worked.replay import evaluate_weights

    study = _studies([NETWORKS[arguments.network]])[0]
    device = resolve_device(arguments.device)
    prepare_process(device)
    errors: list[StudyError] = []
    for spec in study.wanted(arguments.profile, Store.default()):
        if "search" not in spec.config:
            continue
        try:
            metrics = evaluate_weights(study, spec, arguments.weights, device=device)
        except StudyError as error:
            errors.append(error)
        else:
            _print_metrics(metrics)
            return 0
    raise errors[0]


def _print_metrics(metrics: Mapping[str, float | None]) -> None:
    for name, value in metrics.items():
        print(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}")


def data(arguments: argparse.Namespace) -> int:
    """``worked data``."""
    from worked import data as sets

    if arguments.action != "status" and arguments.name is None:
        print(f"worked data {arguments.action}: expected a NAME: {', '.join(sets.names())}", file=sys.stderr)
        return 2
    if arguments.action == "status":
        print(f"data root: {sets.root()} (set $WORKED_DATA to change it)")
        for row in sets.status():
            counts = " + ".join(f"{count:,}" for count in row.counts)
            shown = ", ".join(value[:12] for value in row.fingerprints)
            print(f"{row.name:14} {row.source or 'absent':10} {counts:16} {shown:28} {row.problem}".rstrip())
    else:
        path = (sets.fetch if arguments.action == "fetch" else sets.generate)(arguments.name)
        print(f"{arguments.name}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
