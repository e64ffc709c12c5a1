"""Lying markers, as coding agents write them, are told of by their lines."""
# ruff: noqa: E501, ISC004, RUF001 - markers as they are written, Russian ones among them

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Work

LYING = {
    "a file that is not there": ("## Files Created\n- `shop/cart.py`\n- `shop/orders.py` - orders\n", {("file-missing", 3)}),
    "a file in a sentence": ("I created `shop/orders.py` with all the logic.\n", {("file-missing", 1)}),
    "a file in bold": ("### New files\n1. **shop/orders.py** (315 lines)\n", {("file-missing", 2)}),
    "a table's row": ("| File | Action |\n|---|---|\n| `shop/orders.py` | Created |\n", {("file-missing", 3)}),
    "a table of changes": ("| File | Status |\n|---|---|\n| shop/untouched.py | ✅ Updated |\n", {("file-untouched", 3)}),
    "an untouched file": ("## Files Modified\n\n- `shop/untouched.py`: faster now\n", {("file-untouched", 3)}),
    "an untouched file in a sentence": ("Fixed the rounding bug in `shop/untouched.py`.\n", {("file-untouched", 1)}),
    "an untouched file among others": ("Updated `shop/price.py` and `shop/untouched.py`.\n", {("file-untouched", 1)}),
    "a file that was to go": ("Deleted `shop/untouched.py`.\n", {("file-still-there", 1)}),
    "an absolute path": ("## Created files\n- `/home/me/shop-project/shop/orders.py`\n", {("file-missing", 2)}),
    "plain text": ("DONE\n\nFiles created:\n- shop/orders.py\n- shop/cart.py\n", {("file-missing", 4)}),
    "a checked file": ("## Files Created\n- [x] ✅ `shop/orders.py`\n", {("file-missing", 2)}),
    "a function": ("Added `refund()` to `shop/price.py`.\n", {("name-missing", 1)}),
    "a class": ("- ✅ Implemented the `Refund` class\n- Added class `Voucher`\n", {("name-missing", 1), ("name-missing", 2)}),
    "a test": ("Added `test_refund` and `test_add`.\n", {("name-missing", 1)}),
    "a test by its id": ("Added `tests/test_cart.py::test_refund`.\n", {("name-missing", 1)}),
    "red tests": ("All tests pass.\n", {("tests-red", 1)}),
    "red tests in bold": ("- **Tests**: ✅ all passing\n- **All 42 tests passing** ✅\n", {("tests-red", 1), ("tests-red", 2)}),
    "no failures": ("Result: 0 failed, 42 passed\n", {("tests-red", 1)}),
    "fewer tests": ("## Tests\n\n128 tests pass.\n", {("fewer-tests", 3)}),
    "a ratio": ("Tests: 128/128\n", {("fewer-tests", 1)}),
    "pytest's words": ("```\n====== 128 passed in 2.10s ======\n```\n", {("fewer-tests", 2)}),
    "one file's tests": ("All tests in `tests/test_price.py` pass.\n", {("tests-red", 1)}),
    "coverage": ("Test coverage is now 97%.\n", {("less-coverage", 1)}),
    "coverage in front": ("- 95.5 % coverage\n", {("less-coverage", 1)}),
    "coverage that rose": ("Coverage: 70% → 92%\n", {("less-coverage", 1)}),
    "in Russian": (
        "## Созданные файлы\n- `shop/orders.py`\n\nОбновил `shop/untouched.py`. Добавлена функция `refund()`.\n"
        "Все тесты проходят. Покрытие: 99 %\n",
        {("file-missing", 2), ("file-untouched", 4), ("name-missing", 4), ("tests-red", 5), ("less-coverage", 5)},
    ),
    "a file that is told of": ("**New file:** `shop/orders.py`\nNew files: shop/later.py\n", {("file-missing", 1), ("file-missing", 2)}),
    "a file without code signs": ("Implemented orders.py\n", {("file-missing", 1)}),
    "a function without code signs": ("Implemented function refund() in price.py\n", {("name-missing", 1)}),
    "a class without code signs": ("Added class Refund.\n", {("name-missing", 1)}),
    "a test without code signs": ("I added test_refund \u2026 to test_price.py; 128 new tests\n", {("name-missing", 1), ("fewer-tests", 1)}),
    "a file at the top that was to go": ("Deleted `README.md`; it is removed.\n", {("file-still-there", 1)}),
    "a file in Russian without code signs": ("Создан файл orders.py\n", {("file-missing", 1)}),
    "red tests beside a path": ("All tests pass, see tests/test_cart.py\n", {("tests-red", 1)}),
    "red tests behind a path": ("Created `tests/test_cart.py`. All tests pass.\n", {("tests-red", 1)}),
    "red tests before a path": ("All tests pass. Created `tests/test_orders.py`\n", {("tests-red", 1), ("file-missing", 1)}),
    "red tests and a path": ("Created tests/test_cart.py and all tests pass.\n", {("tests-red", 1)}),
    "red tests of another file": ("`tests/test_price.py`: all tests pass.\n", {("tests-red", 1)}),
    "red tests said shortly": ("The sum is fixed, and the tests pass.\nTests are green \u2705\n", {("tests-red", 1), ("tests-red", 2)}),
    "red tests said shortly in Russian": ("Готово. Тесты проходят\n", {("tests-red", 1)}),
    "a count behind": ("All tests pass (128 tests).\n\nAll tests pass (128/128)\n", {("fewer-tests", 1), ("fewer-tests", 3)}),
    "count in Russian": ("Прошло: 128 тестов пройдено.\n", {("fewer-tests", 1)}),
}  # fmt: skip


@pytest.mark.parametrize(("marker", "lies"), LYING.values(), ids=LYING.keys())
def test_a_lying_marker(work: Work, marker: str, lies: set[tuple[str, int]]) -> None:
    """Each claim that is not so is told with the marker's line, and no other one."""
    if any(rule == "tests-red" for rule, _ in lies):
        work.facts |= work.ended(green=40, red=2)

    told = work.told(marker)

    assert {(each.rule, each.line) for each in told} == lies
    assert {each.path for each in told} == {"TASK_1_COMPLETION_REPORT.md"}
    assert all(each.evidence == marker.splitlines()[each.line - 1].strip() for each in told)
