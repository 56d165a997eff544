"""What `cdk synth` runs (see cdk.json). The stacks are not part of this release: it says so instead of making an empty assembly."""

from __future__ import annotations

import sys


def main() -> int:
    print("error: the AWS stacks are not part of this release of the toolkit", file=sys.stderr)
    print("  fix: use the local target: `toolkit up`, then `toolkit deploy`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
