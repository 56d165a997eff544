"""The command line: find the verb, load only its module, and turn every outcome into an exit code.

Nothing heavy is imported here: `toolkit --help` loads the standard library and this file's few neighbours. A verb is one module in
`toolkit/commands` with HELP, `add_arguments(parser)` and `run(args, console)`.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from toolkit.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, EXIT_USER, Unavailable, UsageError, UserError

if TYPE_CHECKING:
    from toolkit.console import Console
    from toolkit.targets import Ways

VERSION = "0.1.0"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# Verb -> what it is for. `toolkit VERB --help` tells the rest; a test compares this with the modules and the guide.
VERBS = {
    "init": "find out what a project is and write its site.toml",
    "up": "set up the target: a server and a repository to push to, or stacks in AWS",
    "diff": "show what up would change in an AWS account",
    "deploy": "publish a folder, a zip or a commit, and release it",
    "upload": "send a zip to the target, and follow it until it serves",
    "trigger": "build and release again what was pushed last",
    "releases": "list what a channel served, newest first",
    "rollback": "serve an earlier version again, at once",
    "promote": "release a version to a channel without building it again",
    "canary": "show a version to some of the visitors first",
    "preview": "list, remove or protect previews",
    "maintenance": "close a channel for a while, or open it again",
    "pin": "keep a version whatever prune would remove",
    "status": "show what is serving where",
    "explain": "say which rule, version and headers answer a URL",
    "logs": "print the build log of a version or of the last build",
    "prune": "end old previews, remove versions and files that nobody needs",
    "serve": "run the local server in the foreground, or stop it",
    "doctor": "say what is wrong with the target, and how to mend it",
    "verify": "try on the account what only it can prove",
    "permissions": "print the smallest policies for each step",
    "cost": "say what a site would cost, and how that comes about",
    "destroy": "remove a site and all that belongs to it",
    "demo": "see it work: push, switch and roll back an example",
}
HIDDEN = {"receive": "build and release what a git push brought (run by the repository's hook)"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}", f"see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None, ways: Ways | None = None) -> int:
    """Run one verb. Exit codes: 0 done, 1 the user can mend it, 2 wrong usage, 3 a bug of ours, 130 interrupted.

    `ways` are how the world outside is reached, for tests that bring their own.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        from toolkit.console import Console
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    console = Console(json="--json" in words)
    try:
        return _dispatch(words, console, ways)
    except UsageError as error:
        console.error(error)
        return EXIT_USAGE
    except UserError as error:
        console.error(error)
        return EXIT_USER
    except Unavailable as error:
        console.error(UserError(str(error) or "a store did not answer", "run the command again; doing so is safe"))
        return EXIT_USER
    except KeyboardInterrupt:
        console.note("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough (`toolkit releases | head`); keep Python from complaining at exit.
        sys.stderr.close()
        return EXIT_OK
    except OSError as error:
        if error.errno not in _DISK_FULL:
            return _report_bug(error, console)
        full = f"no space left on {os.fsdecode(error.filename)}" if error.filename else "no space left where the output goes"
        Console().error(UserError(full, "free some space there and run the command again"))
        return EXIT_USER
    except Exception as error:
        return _report_bug(error, console)


def _dispatch(words: list[str], console: Console, ways: Ways | None) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return EXIT_OK
    if words[0] in ("-V", "--version"):
        print(f"toolkit {VERSION}")
        return EXIT_OK
    verb = words[0]
    if verb not in VERBS and verb not in HIDDEN:
        raise UsageError(f"toolkit has no verb {verb!r}", _suggest(verb))
    module = importlib.import_module(f"toolkit.commands.{verb}")
    parser = _Parser(prog=f"toolkit {verb}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document for programs to read")
    parser.set_defaults(ways=ways)
    try:
        args = parser.parse_args(words[1:])
    except SystemExit as stop:  # --help
        return int(stop.code or 0)
    return int(module.run(args, console))


def _overview() -> str:
    width = max(map(len, VERBS))
    lines = [
        "usage: toolkit VERB [options]",
        "",
        "Static sites with versioned releases, on this machine and in your AWS account.",
        "",
    ]
    lines += [f"  {verb:<{width}} {about}" for verb, about in VERBS.items()]
    lines += ["", "toolkit VERB --help tells more; --json is understood everywhere."]
    return "\n".join(lines)


def _suggest(verb: str) -> str:
    import difflib

    near = difflib.get_close_matches(verb, VERBS, n=1)
    return f"did you mean `toolkit {near[0]}`?" if near else "see `toolkit --help`"


def _report_bug(error: Exception, console: Console) -> int:
    """A traceback is for us, not for the user: it goes to a file, and the file is named."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="toolkit-crash-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write("".join(traceback.format_exception(error)))
    bug = UserError(f"this is a bug in the toolkit: {type(error).__name__}: {error}", f"please report it with the file {log.name}")
    if console.json:
        console.result({"error": {"what": bug.what, "fix": bug.fix, "code": EXIT_BUG}})
    else:
        console.error(bug)
    return EXIT_BUG


if __name__ == "__main__":
    raise SystemExit(main())
