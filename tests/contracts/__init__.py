"""What every adapter of a port must do: one suite a port, run by each adapter's own small test file."""

import pytest

pytest.register_assert_rewrite("tests.contracts.objects", "tests.contracts.routes")
