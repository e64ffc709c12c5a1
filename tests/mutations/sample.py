"""A small project in which one thing reaches another in every way that is easily overlooked, and changes to each."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING

from tests.mutations.mutation import Mutation
from tests.mutations.subjects import Subject

if TYPE_CHECKING:
    from pathlib import Path

_FILES = {
    "shop/__init__.py": "from shop.prices import CURRENCY\n",
    "shop/prices.py": """
        import functools
        import json
        import pathlib

        CURRENCY = "EUR"
        RATES = {"EUR": 1, "USD": 2}
        DATA = pathlib.Path(__file__).parent / "prices.json"


        @functools.lru_cache(maxsize=None)
        def table():
            return json.loads(DATA.read_text(encoding="utf-8"))


        def price(name, currency=CURRENCY):
            return table()[name] * RATES[currency]
    """,
    "shop/prices.json": '{"apple": 3, "pear": 5}\n',
    "shop/basket.py": """
        from shop.prices import price


        class Basket:
            limit = 3

            def __init__(self, items=()):
                self.items = list(items)

            @property
            def total(self):
                return sum(price(each) for each in self.items)

            def add(self, item):
                if len(self.items) >= self.limit:
                    raise ValueError("full")
                self.items.append(item)
                return self

            def discount(self):
                return 0


        class LargeBasket(Basket):
            limit = 30

            def total_after_discount(self):
                return self.total - self.discount()
    """,
    "shop/plugins/__init__.py": """
        import importlib


        def load(name):
            return importlib.import_module("shop.plugins." + name).NAME
    """,
    "shop/plugins/gift.py": 'NAME = "gift"\n',
    "shop/plugins/wrap.py": 'NAME = "wrap"\n',
    "shop/clock.py": """
        _started = None


        def started():
            global _started
            if _started is None:
                _started = _now()
            return _started


        def _now():
            return 12
    """,
    "tests/helpers.py": """
        def connect():
            return {"port": 80}


        def make(name):
            return {"name": name}
    """,
    "tests/conftest.py": """
        import pathlib

        import pytest

        from helpers import connect, make

        LEVEL = 1


        @pytest.fixture(scope="session")
        def connection():
            return connect()


        @pytest.fixture(scope="package")
        def folder():
            return sorted(each.name for each in (pathlib.Path(__file__).parent / "data").iterdir())


        @pytest.fixture(scope="module")
        def counted():
            return []


        @pytest.fixture(scope="class")
        def named():
            return make("ann")


        @pytest.fixture
        def level(connection):
            return LEVEL + connection["port"]


        @pytest.fixture(autouse=True)
        def checked():
            yield
            assert LEVEL
    """,
    "tests/data/one.txt": "1\n",
    "tests/data/two.txt": "2\n",
    "tests/test_prices.py": """
        import pytest

        import shop
        from shop import prices


        @pytest.mark.parametrize(("name", "expected"), [("apple", 3), ("pear", 5)])
        def test_price(name, expected):
            assert prices.price(name) == expected


        def test_currency():
            assert shop.CURRENCY == "EUR"


        def test_dollars():
            assert prices.price("apple", "USD") == 6
    """,
    "tests/test_basket.py": """
        import pytest

        from shop.basket import Basket, LargeBasket


        class Common:
            kind = Basket

            def test_total(self):
                assert self.kind(["apple", "pear"]).total == 8

            def test_add(self):
                assert self.kind().add("apple").items == ["apple"]


        class TestBasket(Common):
            def test_full(self):
                with pytest.raises(ValueError, match="full"):
                    self.kind(["apple"] * 3).add("pear")


        class TestLargeBasket(Common):
            kind = LargeBasket

            def test_not_full(self):
                assert len(self.kind(["apple"] * 3).add("pear").items) == 4

            def test_discount(self):
                assert self.kind(["apple"]).total_after_discount() == 3
    """,
    "tests/test_plugins.py": """
        import pytest

        from shop import plugins


        @pytest.mark.parametrize("name", ["gift", "wrap"])
        def test_load(name):
            assert plugins.load(name) == name
    """,
    "tests/test_fixtures.py": """
        def test_connection(connection):
            assert connection["port"] == 80


        def test_folder(folder):
            assert folder == ["one.txt", "two.txt"]


        def test_level(level):
            assert level == 81


        class TestNamed:
            def test_name(self, named):
                assert named["name"] == "ann"

            def test_name_again(self, request):
                assert request.getfixturevalue("named")["name"] == "ann"


        def test_counted_first(counted):
            counted.append(1)
            assert counted == [1]


        def test_counted_second(counted):
            counted.append(2)
            assert counted == [1, 2]
    """,
    "tests/test_clock.py": """
        from shop import clock


        def test_started():
            assert clock.started() == 12


        def test_started_again():
            assert clock.started() == 12
    """,
    "tests/test_bystander.py": """
        def test_bystander():
            assert True
    """,
    ".gitignore": "__pycache__/\n.pytest_cache/\n",
}


@dataclass(frozen=True, slots=True)
class Replacement:
    """A text in a file that becomes another."""

    kind: str
    path: str
    old: str
    new: str


_REPLACEMENTS = (
    Replacement("operator", "shop/basket.py", ">= self.limit", "> self.limit"),
    Replacement("return", "shop/basket.py", "return 0", "return 1"),
    Replacement("module constant", "shop/prices.py", '"USD": 2', '"USD": 3'),
    Replacement("default argument", "shop/prices.py", "currency=CURRENCY", 'currency="USD"'),
    Replacement("class attribute", "shop/basket.py", "limit = 30", "limit = 2"),
    Replacement("decorator removed", "shop/basket.py", "    @property\n", ""),
    Replacement("data file", "shop/prices.json", '"pear": 5', '"pear": 6'),
    Replacement("cached function's own", "shop/clock.py", "return 12", "return 13"),
    Replacement("imported by name", "shop/plugins/gift.py", '"gift"', '"gone"'),
    Replacement("session fixture's helper", "tests/helpers.py", '"port": 80', '"port": 81'),
    Replacement("class fixture's body", "tests/conftest.py", 'make("ann")', 'make("bob")'),
    Replacement("fixture scope", "tests/conftest.py", 'scope="module"', 'scope="function"'),
    Replacement("conftest's constant", "tests/conftest.py", "LEVEL = 1", "LEVEL = 0"),
    Replacement("inherited test", "tests/test_basket.py", '== ["apple"]', '== ["pear"]'),
    Replacement("parametrisation", "tests/test_plugins.py", '"wrap"]', '"wrap", "bow"]'),
    Replacement("import changed", "shop/__init__.py", "import CURRENCY", "import DATA as CURRENCY"),
    Replacement("import that fails", "tests/test_clock.py", "from shop import clock", "from shop import clocks"),
)

_FILE_CHANGES: dict[str, tuple[str, dict[str, str | None]]] = {
    "data file listed": ("tests/data/three.txt appears", {"tests/data/three.txt": "3\n"}),
    "data file gone": ("shop/prices.json goes", {"shop/prices.json": None}),
    "module renamed": (
        "gift.py becomes present.py",
        {"shop/plugins/gift.py": None, "shop/plugins/present.py": "NAME = 1\n"},
    ),
    "shadowed module": ("a package shop/clock comes before shop/clock.py", {"shop/clock/__init__.py": ""}),
    "new test file": ("test_new.py appears", {"tests/test_new.py": "def test_new():\n    assert False\n"}),
    "new conftest": (
        "a conftest appears above",
        {"conftest.py": "def pytest_runtest_setup(item):\n    assert 'bystander' not in item.name\n"},
    ),
    "test file gone": ("test_bystander.py goes", {"tests/test_bystander.py": None}),
}


def sample(folder: Path) -> Subject:
    """Write the project into a folder of its own, and return it."""
    for path, text in _FILES.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return Subject("sample", folder, (), ("shop",), ("tests",))


def mutations(content: dict[str, bytes]) -> list[Mutation]:
    """Return a change of each sort; each has tests turn red, but for the one in which a test file goes."""
    made = []
    for each in _REPLACEMENTS:
        text = content[each.path].decode()
        assert each.old in text, each
        changed = text.replace(each.old, each.new, 1).encode()
        made.append(Mutation(each.kind, f"{each.path}: {each.old!r} -> {each.new!r}", {each.path: changed}))
    for kind, (what, files) in _FILE_CHANGES.items():
        changes = {path: None if text is None else text.encode() for path, text in files.items()}
        made.append(Mutation(kind, what, changes))
    return made
