"""Slash policies: what each host answers, and what must hold of every policy whatever the files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.slash_answers import ANSWERS, SITES
from toolkit.engine.slashes import POLICIES, UNKNOWN, Answer, Move, Serve, addresses


def shown(answer: Answer | None) -> str:
    match answer:
        case Serve(file):
            return file
        case Move(address):
            return f">{address}"
        case _:
            return "-"


def test_every_policy_has_its_answers() -> None:
    assert {policy for policy, _ in ANSWERS} == POLICIES.keys() == UNKNOWN.keys()


@pytest.mark.parametrize(("policy", "status"), ANSWERS)
def test_answers_as_its_host_does(policy: str, status: int) -> None:
    for (files, paths), line in zip(SITES, ANSWERS[policy, status], strict=True):
        found = addresses(policy, files)
        expected = dict(zip(paths, line.split(), strict=True))
        assert {path: shown(found.get(path)) for path in paths} == expected, files
        assert {answer.status for answer in found.values() if isinstance(answer, Move)} <= {status}


def test_only_vercel_redirects_what_it_does_not_know() -> None:
    told = {name: unknown for name, unknown in UNKNOWN.items() if unknown}

    assert told == {
        "vercel-slash": "add",
        "vercel-no-slash": "drop",
        "vercel-clean-slash": "add",
        "vercel-clean-no-slash": "drop",
    }


@pytest.mark.parametrize("policy", [name for name, unknown in UNKNOWN.items() if unknown])
def test_unknown_is_what_the_policy_itself_says(policy: str) -> None:
    paths = {"add": ("/zzz", "/zzz/"), "drop": ("/zzz/", "/zzz")}[UNKNOWN[policy]]

    assert POLICIES[policy].resolve(paths[0], lambda _: False) == Move(paths[1], 308)
    assert POLICIES[policy].resolve(paths[1], lambda _: False) is None


def test_vercel_adds_no_slash_after_a_dot_or_under_well_known() -> None:
    found = addresses("vercel-clean-slash", ["/v1.2.html", "/.well-known/y.html", "/bin"])

    assert found["/v1.2"] == Serve("/v1.2.html")
    assert found["/v1.2/"] == Move("/v1.2", 308)
    assert found["/.well-known/y"] == Serve("/.well-known/y.html")
    assert found["/bin"] == Move("/bin/", 308)
    assert found["/bin/"] == Serve("/bin")


def test_auto_gives_a_page_three_addresses_and_other_files_one() -> None:
    assert addresses("auto", ["/index.html", "/a.html", "/b/index.html", "/style.css", "/bin"]) == {
        "/": Serve("/index.html"),
        "/index.html": Move("/", 308),
        "/a": Serve("/a.html"),
        "/a/": Move("/a", 308),
        "/a.html": Move("/a", 308),
        "/b": Move("/b/", 308),
        "/b/": Serve("/b/index.html"),
        "/b/index.html": Move("/b/", 308),
        "/style.css": Serve("/style.css"),
        "/bin": Serve("/bin"),
    }


def test_names_are_as_decoded_as_they_came() -> None:
    assert addresses("auto", ["/café/très bon.html"])["/café/très bon/"] == Move("/café/très bon", 308)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_file_named_html_does_not_lead_out(policy: str) -> None:
    for answer in addresses(policy, ["/.html", "/evil/.html"]).values():
        assert not isinstance(answer, Move) or not answer.address.startswith("//")


def test_a_file_whose_redirect_would_end_nowhere_answers_itself() -> None:
    found = addresses("npm-serve", ["/x/index"])

    assert found["/x/index"] == Serve("/x/index")
    assert "/x" not in found


def test_a_policy_that_nobody_knows() -> None:
    with pytest.raises(KeyError):
        addresses("geocities", ["/index.html"])


NAMES = st.sampled_from(
    ["a", "b", "index", "a.html", "b.html", "index.html", "index.html.html", ".html", "v1.2", "s.css", "\\e", "é"]
)
FILES = st.sets(st.lists(NAMES, min_size=1, max_size=3).map(lambda names: "/" + "/".join(names)), max_size=12)


def walk(found: dict[str, Answer], path: str) -> tuple[Answer | None, int]:
    """Where following the redirects from `path` ends, and after how many."""
    seen = [path]
    while isinstance(answer := found.get(seen[-1]), Move):
        assert answer.address not in seen, f"a circle: {seen}"
        seen.append(answer.address)
    return answer, len(seen) - 1


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=150, deadline=None)
@given(files=FILES)
def test_redirects_stay_here_and_end_at_a_page(policy: str, files: set[str]) -> None:
    found = addresses(policy, files)
    odd = found.pop("/index.html", None) if policy == "vercel-clean-slash" else None

    assert odd in {None, Move("//", 308)}
    assert found == {path: answer for path, answer in addresses(policy, sorted(files, reverse=True)).items() if path in found}
    for path, answer in found.items():
        end, _ = walk(found, path)
        if isinstance(answer, Serve):
            assert answer.file in files
        else:
            assert answer.address.startswith("/")
            assert "//" not in answer.address
            assert isinstance(end, Serve) or policy.startswith("vercel-")


@given(files=FILES)
def test_auto_gives_every_file_an_address_and_redirects_once(files: set[str]) -> None:
    found = addresses("auto", files)

    assert {answer.file for answer in found.values() if isinstance(answer, Serve)} == files
    assert all(walk(found, path)[1] <= 1 for path in found)
