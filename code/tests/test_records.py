import hashlib
import json
from dataclasses import replace

import fabricated
import pytest

from worked.records import RecordError, Spec, Store, canonical, parse, write_atomically
from worked.studies import lenet5_regularization as lenet5

SPEC = lenet5.spec(lenet5.PROFILES["full"], 0, regularization="none", rate=0.1, dropout=0.0, weight_decay=0.0, epochs=3)


@pytest.fixture
def store(tmp_path):
    filled = Store(tmp_path)
    filled.write(fabricated.record(SPEC))
    return filled


def test_round_trip(store):
    assert store.read(SPEC) == fabricated.record(SPEC)
    assert list(store.records(SPEC.study)) == [fabricated.record(SPEC)]


def test_key_is_the_hash_of_the_spec_alone():
    spec = Spec("s", 1, "full", {"a": 1, "b": 0.5}, 0, {"name": "mnist"})
    text = b'{"config":{"a":1,"b":0.5},"data":{"name":"mnist"},"profile":"full","protocol":1,"seed":0,"study":"s"}'
    assert spec.key == hashlib.sha256(text).hexdigest()[:16]
    assert spec.key == Spec("s", 1, "full", {"b": 0.5, "a": 1}, 0, {"name": "mnist"}).key
    changes = [{"study": "t"}, {"protocol": 2}, {"profile": "laptop"}, {"config": {"a": 2, "b": 0.5}}, {"seed": 1}]
    assert len({replace(spec, **change).key for change in changes} | {spec.key}) == len(changes) + 1


def test_difference_names_the_fields():
    other = replace(SPEC, seed=3, config={**SPEC.config, "rate": 0.3, "extra": 1})
    assert SPEC.difference(other) == {"config.extra": (None, 1), "config.rate": (0.1, 0.3), "seed": (0, 3)}


def test_canonical_json_has_no_word_for_nan():
    assert canonical({"b": 1, "a": [0.1]}) == '{"a":[0.1],"b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


def tampered(change):
    body = fabricated.record(SPEC).as_json()
    change(body)
    return json.dumps(body)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda b: b["metrics"].update(test_accuracy=0.99), "it was edited"),
        (lambda b: b["history"]["test_accuracy"].reverse(), "it was edited"),
        (lambda b: b["spec"].update(seed=1), "it was edited"),
        (lambda b: b.update(seconds=2.0), "it was edited"),
        (lambda b: b.pop("trace"), r"missing fields \['trace'\]"),
        (lambda b: b.update(note="x"), r"unknown fields \['note'\]"),
        (lambda b: b.update(seconds="1"), "field seconds has the type str"),
        (lambda b: b.update(history=[]), "field history has the type list"),
    ],
)
def test_a_changed_record_is_refused(change, said):
    with pytest.raises(RecordError, match=said):
        parse(tampered(change), "a.json")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metrics": NaN}', "\x00"])
def test_what_is_no_record_is_refused(text):
    with pytest.raises(RecordError, match=r"^a.json is not a record: .*; remove it and run `worked run`"):
        parse(text, "a.json")


@pytest.mark.parametrize(
    "change",
    [{"metrics": {"test_accuracy": 91.0}}, {"history": {"a": [1.0], "b": [1.0, 2.0]}}],
    ids=["accuracy in percent", "lists of unequal length"],
)
def test_a_record_that_cannot_be_is_not_written(tmp_path, change):
    with pytest.raises(RecordError):
        Store(tmp_path).write(fabricated.record(SPEC, **change))
    assert not list(tmp_path.rglob("*.json"))


def test_a_record_under_another_name_is_refused(store):
    path = store.path(SPEC)
    path.rename(path.with_name("0123456789abcdef.json"))
    with pytest.raises(RecordError, match="a record's name is the key of its spec"):
        list(store.records(SPEC.study))
    assert list(store.readable(SPEC.study)) == []


def test_a_damaged_record_is_set_aside_and_kept(store):
    path = store.path(SPEC)
    for n in (1, 2):
        path.write_text(f"damaged {n}")
        assert store.read_if_sound(SPEC) is None
        assert store.set_aside(SPEC).read_text() == f"damaged {n}"
    assert len(list(path.parent.iterdir())) == 2


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("worked.records.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
