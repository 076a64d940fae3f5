"""Config nodes become objects of ours only, with every key and kind checked."""

from __future__ import annotations

import sys
import types
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import pytest

from mapga import catalogue
from mapga.card import Card, SolverCard, carded
from mapga.errors import BrokenModuleError, ConfigError, closest
from mapga.node import Node, Slot, incomplete


class Thing(ABC):
    @abstractmethod
    def act(self) -> None: ...


class Lamp(Thing):
    card = Card(words=("colour", "anything"))

    def __init__(
        self,
        bright: float,
        bulbs: int = 1,
        *,
        on: bool = False,
        colour: str = "red",
        mode: Literal["slow", "fast"] = "slow",
        levels: Sequence[float] = (),
        limit: int | None = None,
        width: int | float = 1,
        anything: Any = None,
    ) -> None:
        self.given = dict(locals())
        if bright < 0:
            raise ValueError(f"lamp.bright={bright}: at least 0")
        if bulbs > 9:
            raise TypeError(f"too many bulbs: {bulbs}")
        if colour == "missing":
            raise FileNotFoundError(f"no paint of colour {colour}")

    def act(self) -> None: ...

    @classmethod
    @carded(Card(words=("room",)))
    def dim(cls, bulbs: int, room: str = "hall") -> Lamp:
        return cls(0.1, bulbs, colour=room)

    @classmethod
    def without_a_card(cls) -> Lamp:
        return cls(0.5)

    def not_a_constructor(self) -> None: ...

    @staticmethod
    def nor_this() -> None: ...


class Stranger:
    """Exported, but no Thing."""


SLOT = Slot("lamp", "things", "Thing")


@pytest.fixture(autouse=True)
def _package(monkeypatch, tmp_path):
    package, lamps = types.ModuleType("things"), types.ModuleType("things.lamps")
    (tmp_path / "lamps.py").touch()
    package.__path__ = [str(tmp_path)]
    lamps.__all__ = ["Lamp", "Stranger", "Thing", "text"]
    lamps.Lamp, lamps.Stranger, lamps.Thing, lamps.text, lamps.Hidden = Lamp, Stranger, Thing, "text", Lamp
    monkeypatch.setitem(sys.modules, "things", package)
    monkeypatch.setitem(sys.modules, "things.lamps", lamps)
    _forget()
    yield
    _forget()


def _forget() -> None:
    catalogue.exported.cache_clear()
    catalogue.kinds.cache_clear()


def build(slot: Slot, node: object, given: dict[str, Any] | None = None) -> Any:
    return Node.read(slot, node).build(given)


def _lamp(**arguments) -> dict:
    return build(SLOT, {"_target_": "things.Lamp", "bright": 1.0} | arguments).given


def test_an_object_is_built_with_its_arguments():
    given = _lamp(bulbs=2, on=True, mode="fast", levels=[1, 2.5], limit=None)
    assert (given["bright"], given["bulbs"], given["on"], given["mode"]) == (1.0, 2, True, "fast")
    assert given["levels"] == [1.0, 2.5] and given["limit"] is None


def test_a_named_constructor_is_a_target_too():
    lamp = build(SLOT, {"_target_": "things.Lamp.dim", "bulbs": 3})
    assert lamp.given["bulbs"] == 3 and lamp.given["colour"] == "hall"


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "things.Hidden",
        "things.Stranger",
        "things.Thing",
        "things.text",
        "things.Lamp.not_a_constructor",
        "things.Lamp.nor_this",
        "things.Lamp.without_a_card",
        "things.Lamp.__init__",
        "things.Lamp.__init_subclass__",
        "things.Lamp.__class__",
        "things.Lamp.mro",
        "things.Lamp.dim.__func__",
        "things.sub.Lamp",
        "things",
        "things.",
        "thingsLamp",
        "builtins.eval",
        "",
        None,
        7,
        ["things.Lamp"],
    ],
)
def test_nothing_else_is_a_target(target):
    with pytest.raises(ConfigError, match=r"^lamp\._target_="):
        build(SLOT, {"_target_": target, "bright": 1.0})


@pytest.mark.parametrize("node", [None, 5, "things.Lamp", ["a"], {}])
def test_what_is_no_node_is_refused(node):
    with pytest.raises(ConfigError, match=r"^lamp(\._target_)?="):
        build(SLOT, node)


def test_a_near_miss_is_suggested():
    with pytest.raises(ConfigError, match="did you mean 'Lamp'"):
        build(SLOT, {"_target_": "things.Lmap"})
    with pytest.raises(ConfigError, match=r"unknown key 'lamp.brigth'; did you mean 'bright'\?.* takes bright, bulbs"):
        _lamp(brigth=2)
    assert closest("zzz", ["abc"]) == ";"


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match=r"missing key 'lamp\.bright': Lamp needs it"):
        build(SLOT, {"_target_": "things.Lamp"})


@pytest.mark.parametrize(
    ("key", "value", "becomes"),
    [
        ("bright", 1, 1.0),
        ("bright", "1e-3", 0.001),
        ("bright", "2", 2.0),
        ("bulbs", "2", 2),
        ("limit", "3", 3),
        ("levels", ["1e-3", 2], [0.001, 2.0]),
        ("levels", (1,), [1.0]),
        ("width", 2, 2),
        ("width", 2.5, 2.5),
        ("anything", {"a": [1]}, {"a": [1]}),
    ],
)
def test_numbers_may_be_written_as_text(key, value, becomes):
    given = _lamp(**{key: value})[key]
    assert given == becomes and type(given) is type(becomes)


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("bright", "abc", "a number"),
        ("bright", True, "a number"),
        ("bright", None, "a number"),
        ("bright", [1.0], "a number"),
        ("bulbs", 2.5, "a whole number"),
        ("bulbs", "2.5", "a whole number"),
        ("bulbs", True, "a whole number"),
        ("on", 1, "true or false"),
        ("on", "true", "true or false"),
        ("colour", 3, "text"),
        ("mode", "medium", "'slow', 'fast'"),
        ("levels", 3.0, "a list"),
        ("levels", "1,2", "a list"),
        ("limit", "many", "a whole number"),
    ],
)
def test_a_wrong_kind_is_refused_by_name(key, value, wanted):
    with pytest.raises(ConfigError) as caught:
        _lamp(**{key: value})
    message = str(caught.value)
    assert message.startswith(f"lamp.{key}={value!r}") and wanted in message and "\n" not in message


def test_an_item_of_a_list_is_named():
    with pytest.raises(ConfigError, match=r"lamp\.levels\[1\]='x'"):
        _lamp(levels=[1.0, "x"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bright": -1.0}, "lamp.bright=-1.0: at least 0"),
        ({"bulbs": 10}, "lamp: too many bulbs: 10"),
        ({"colour": "missing"}, "lamp: no paint of colour missing"),
    ],
)
def test_what_a_constructor_refuses_keeps_its_key_once(arguments, message):
    with pytest.raises(ConfigError) as caught:
        _lamp(**arguments)
    assert str(caught.value) == message


class Given(Lamp):
    card = Card(words=("colour", "anything"), given=("bright",))


def test_given_arguments_are_handed_over_where_the_card_asks_and_cannot_be_set(monkeypatch):
    monkeypatch.setattr(sys.modules["things.lamps"], "Lamp", Given)
    _forget()
    assert build(SLOT, {"_target_": "things.Lamp"}, {"bright": 4.0, "unknown": 1}).given["bright"] == 4.0
    with pytest.raises(ConfigError, match=r"unknown key 'lamp\.bright'"):
        build(SLOT, {"_target_": "things.Lamp", "bright": 1.0}, {"bright": 4.0})


def test_reading_builds_nothing():
    node = Node.read(SLOT, {"_target_": "things.Lamp", "bright": -1})
    assert node.make is Lamp and node.arguments == {"bright": -1.0}


def test_the_functions_of_a_card_see_every_argument():
    found = vars(Node.read(SLOT, {"_target_": "things.Lamp", "bright": 1, "bulbs": "3"}).namespace)
    assert (found["bright"], found["bulbs"], found["on"], found["limit"]) == (1.0, 3, False, None)


def test_an_incomplete_card_is_refused_with_what_it_lacks(monkeypatch):
    class Cardless(Lamp):
        pass

    class Wordless(Lamp):
        card = Card()

    class Talkative(Lamp):
        card = Card(words=("colour", "anything"), places=("root",))

    class Solves(Lamp):
        card = SolverCard(words=("colour", "anything"), given=())

    for thing, flaws in {
        Cardless: ["Cardless has no card of its own"],
        Wordless: [
            "the card of Wordless does not say whether 'colour' is a place, a hash or a word",
            "the card of Wordless does not say whether 'anything' is a place, a hash or a word",
        ],
        Talkative: ["the card of Talkative speaks of 'root', which it does not take"],
        Solves: ["the card of Solves does not state 'passes'", "the card of Solves does not state 'needs'"],
    }.items():
        thing.__qualname__ = thing.__name__
        assert incomplete(thing) == flaws
        monkeypatch.setattr(sys.modules["things.lamps"], "Lamp", thing)
        _forget()
        with pytest.raises(ConfigError, match=flaws[0]):
            build(SLOT, {"_target_": "things.Lamp", "bright": 1.0})


def test_two_modules_of_a_room_may_not_export_one_name(monkeypatch, tmp_path):
    _room(tmp_path, monkeypatch, one="__all__ = ['X']; X = 1", two="__all__ = ['X']; X = 2.5")
    with pytest.raises(ImportError, match=r"two modules export 'X', the second is room\.two"):
        catalogue.exported("room")


def _room(folder, monkeypatch, **modules: str) -> None:
    (folder / "room").mkdir()
    for name, text in {"__init__": "", **modules}.items():
        (folder / "room" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "room"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x = 1\ndef (:\n",
            r"room\.one cannot be imported: SyntaxError: .*one\.py, line 2\); mend it, or move it away",
        ),
        ("\nimport nothing_of_that_name", r"room\.one cannot be imported: ModuleNotFoundError: .*one\.py, line 2\)"),
        ("\n\n1 / 0", r"room\.one cannot be imported: ZeroDivisionError: division by zero \(.*one\.py, line 3\)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_its_line(monkeypatch, tmp_path, text, message):
    _room(tmp_path, monkeypatch, one=text)
    with pytest.raises(BrokenModuleError, match=message):
        catalogue.exported("room")


def test_a_class_that_its_module_does_not_export_is_named(monkeypatch, tmp_path):
    base = "__all__ = ['Thing']\nclass Thing: ...\n"
    _room(tmp_path, monkeypatch, base=base, lamp="from room.base import Thing\nclass Lamp(Thing): ...\n")
    with pytest.raises(
        ConfigError, match=r"lamp\._target_='room\.Lamp': room\.lamp does not export it; name it in its __all__"
    ):
        build(Slot("lamp", "room", "Thing"), {"_target_": "room.Lamp"})
    with pytest.raises(ConfigError, match=r"'room\.Thing' is not one of ours"):  # exported, and no component
        build(Slot("lamp", "room", "Thing"), {"_target_": "room.Thing"})


@pytest.mark.parametrize("kind", ["Path", "os.PathLike", "list[str] | None", "dict[str, str]", "Any", None])
def test_an_argument_that_could_hold_a_path_is_on_the_card_however_it_is_annotated(kind):
    from pathlib import Path

    class Hidden(Thing):
        card = Card()

        def __init__(self, path=None) -> None: ...

        def act(self) -> None: ...

    if kind is not None:
        Hidden.__init__.__annotations__["path"] = Path if kind == "Path" else kind
    (flaw,) = incomplete(Hidden)
    assert "does not say whether 'path' is a place, a hash or a word" in flaw
