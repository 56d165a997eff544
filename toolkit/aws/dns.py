"""Questions to DNS. The one place that knows the library behind them."""

from __future__ import annotations

from collections.abc import Callable

from toolkit.errors import Unavailable

# (name, kind of record) -> its values
Lookup = Callable[[str, str], tuple[str, ...]]
SECONDS = 2.0


def lookup(name: str, kind: str) -> tuple[str, ...]:
    """The records of that kind ("A", "NS", "CAA" ...) as text, in order; names in lower case without the final dot.

    () when there is no such name or record. Unavailable when DNS does not answer within two seconds.
    """
    import dns.exception
    import dns.resolver

    try:
        resolver = dns.resolver.Resolver()
        resolver.lifetime = SECONDS
        answer = resolver.resolve(name, kind, search=False, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return ()
    except (dns.exception.DNSException, OSError) as error:
        raise Unavailable(f"DNS did not say the {kind} records of {name}: {type(error).__name__}") from error
    return tuple(sorted(_plain(record.to_text()) for record in answer.rrset or ()))


def climb(name: str, kind: str, ask: Lookup) -> tuple[str, tuple[str, ...]]:
    """The records of the nearest name at or above `name` that has some, and that name; ("", ()) when none has.

    This is how CAA records (RFC 8659, section 3) and a name's zone are found.
    """
    labels = name.split(".")
    for start in range(len(labels)):
        here = ".".join(labels[start:])
        if found := ask(here, kind):
            return here, found
    return "", ()


def _plain(text: str) -> str:
    return text.removesuffix(".").lower()
