"""The DNS records that lead a site's own hosts to the host that its target gave it, for DNS that the tool cannot write to."""

from __future__ import annotations

from collections.abc import Sequence

WILDCARD = "*."


def address_records(hosts: Sequence[str], domain_name: str) -> tuple[str, ...]:
    """A line for each host (also `*.example.com`), for people.

    A zone's own name takes no CNAME (RFC 1912, section 2.4); DNS services have kinds of records of their own for that.
    """
    return tuple(f"{host}  CNAME (ALIAS or ANAME for a zone's own name)  {domain_name}" for host in hosts)


def has_wildcard(hosts: Sequence[str]) -> bool:
    """Whether previews have hosts of their own."""
    return any(host.startswith(WILDCARD) for host in hosts)
