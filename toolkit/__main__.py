"""`python -m toolkit`: the same as the `toolkit` script."""

try:
    from toolkit.cli import main
except KeyboardInterrupt:
    raise SystemExit(130) from None

raise SystemExit(main())
