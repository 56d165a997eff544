"""Where a site's channels answer in AWS: at its distribution's own domain, at hosts of its own, and previews below a wildcard."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.engine.channels import Names

WILDCARD = "*."


def aws_names(domain_name: str, hosts: Sequence[str]) -> Names:
    """`domain_name` is the distribution's. Previews lie below the first wildcard of the site's hosts, else below the distribution's
    own domain, where no name resolves and a cookie leads to them."""
    wildcards = [host.removeprefix(WILDCARD) for host in hosts if host.startswith(WILDCARD)]
    return Names(own=domain_name, previews=wildcards[0] if wildcards else domain_name)


def preview_link(host: str, domain_name: str) -> str:
    """The address of a host, as visitors type it; below the distribution's own domain, the link that sets a preview's cookie."""
    label = host.removesuffix(f".{domain_name}")
    return f"https://{host}/" if label == host else f"https://{domain_name}/_preview/{label}"
