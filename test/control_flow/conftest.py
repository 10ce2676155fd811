"""A compiled loop that never ends must fail its test, not stop the run."""

import faulthandler
from collections.abc import Iterator

import pytest

SECONDS = 300


@pytest.fixture(autouse=True)
def _ends_some_time() -> Iterator[None]:
    """After `SECONDS` in one test, native code included: print where it is and end the process."""
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
