"""Honest markers, as coding agents write them, are left alone."""
# ruff: noqa: E501, RUF001 - markers as they are written, Russian ones among them

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Work

HONEST = {
    "a full report": """# Task 1 Completion Report

**Status**: ✅ COMPLETE

## Summary
Added `gross()` to `shop/price.py` and a new class `Cart`.

## Files Created
- `shop/cart.py` - the cart
- `tests/test_cart.py` - its tests (1 test)

## Files Modified
- `shop/price.py` (lines 5-6): added `gross()`
- [shop/stock.py](shop/stock.py#L1-L2)

## Test Results
All 40 tests passing. Coverage: 84 %

## Next Steps
- Create `shop/orders.py`
- Add `refund()` to `shop/price.py`
""",
    "a table": """| File | Action | What Was Done |
|------|--------|---------------|
| `shop/cart.py` | Created | `Cart` |
| `shop/price.py` | Modified (additive) | `gross` |
| `shop/untouched.py` | Unchanged | see `shop/nowhere.py` |
| `shop/orders.py` | Planned | later |
""",
    "absolute paths": """## Files created
1. `/workspaces/shop-project/shop/cart.py`
2. **`shop-project/tests/test_cart.py`** (12 lines)
""",
    "names without folders": "Updated `price.py` and `stock.py`; created `cart.py`.\n",
    "plain text": "Done.\n\nFiles created:\n  - shop/cart.py\n\nChanged shop/price.py to add gross().\nAll tests pass.\n",
    "in Russian": """# Задача 1: готово

## Созданные файлы
- `shop/cart.py` — корзина

## Изменённые файлы
- `shop/price.py`

Добавлена функция `gross()`. Все 40 тестов проходят. Покрытие тестами: 84,6 %.

## Следующие шаги
- добавить `shop/orders.py`
""",
    "confessed failures": "2 tests fail: `test_red_0` and `test_red_1`. Everything else passes (40 passed, 2 failed).\n",
    "hopes": """Next, make sure all tests pass.
Coverage should be at least 95 %.
- [ ] All tests pass
- [ ] Create `shop/orders.py`
Will add `refund()` once `shop/orders.py` exists.
Once all tests pass, we will merge. Target coverage: 95 %
""",
    "what was not done": """I did not create `shop/orders.py`, and no changes to `shop/untouched.py` were needed.
`shop/untouched.py` is unchanged. The function `refund()` was not added.
⏳ `shop/later.py` - added next week
❌ Added `shop/failed.py`
""",
    "quotes and code": """> All 900 tests pass, said the old report. Created `shop/quoted.py`.

```python
# Created shop/fenced.py
from shop.fenced import nothing
```

For example `path/to/file.py` was created. See https://example.org/docs/index.html for more.
""",
    "earlier numbers": "Coverage rose from 70 % to 84 %. Before, 900 tests passed.\nCoverage of `shop/cart.py`: 100 %\nBranch coverage: 99 %\n",
    "deleted and moved files": "Deleted `shop/legacy.py`. Removed the old helper from `shop/price.py`.\n",
    "ignored artefacts": "## Files created\n- `build/report.html`\n- `build/out.json`\n",
    "checked boxes": "- [x] Orders (`shop/orders.py`)\n- [x] `refund()`\n- [x] 100% done\n",
    "partial outcomes": "All unit tests pass. 12/40 tests passing at noon. All new tests in tests/test_cart.py pass.\n",
    "outcomes of one file": "tests/test_cart.py: all tests pass.\nRan `pytest tests/test_cart.py -q`, all tests pass.\nAll tests pass (tests/test_cart.py)\n",
    "names without code signs": "Implemented gross() and class Cart; added test_add to tests/test_cart.py. Implemented cart.py and price.py.\n",
    "names of products": "Added Node.js support, added discord.py to the tools, and implemented asp.net.\n",
    "counts behind": "All tests pass (40 tests), all in 3 s. 1 new test. All tests pass (3 s)\n",
    "what was done in Russian": "Реализована функция gross(). Создан файл cart.py. Тесты проходят.\n",
    "another file of the same name": "Deleted `legacy.py`. Removed `__init__.py`.\n",
    "a table of states": "| File | Status |\n|---|---|\n| `shop/untouched.py` | Implemented |\n",
    "no promise": "Tests do not pass yet. Tests pass on Linux with the new flag. The tests passed down from Bob are old.\n",
    "other tools": "vitest: 900 tests passed. `ruff`: 0 errors, mypy: no issues found in 120 source files.\n",
    "references": """Fixed the crash described in `docs/bug-42.md`, following `shop/untouched.py`.
Updated `shop/price.py` to use `shop/untouched.py`, based on `numpy/core.py`.
Added support for `Decimal` and `--rate`. Added `pytest` to the tools.
""",
    "pytest output": "```\n$ pytest\n========= 38 passed, 2 skipped in 0.42s =========\n```\n",
    "a plan at the end": "Added `gross()`.\n\n**Remaining:**\n- added tests in `tests/test_orders.py`\n\n### To Do\n- Created `shop/orders.py`\n",
    "nothing in particular": "# Phase 2 complete 🎉\n\nEverything works great! Production ready. 100% complete.\n",
    "problems told": "## Problem\nAll tests passing was claimed, though `shop/ghost.py` created by the tool is lost.\n## Fix\nFixed the sum in `shop/price.py`.\n",
}  # fmt: skip


@pytest.mark.parametrize("marker", HONEST.values(), ids=HONEST.keys())
def test_an_honest_marker(work: Work, marker: str) -> None:
    """A marker that says what is so, or nothing that can be looked up, is not doubted."""
    if "test_red_0" in marker:
        work.facts |= work.ended(green=40, red=2)

    assert work.told(marker) == []
