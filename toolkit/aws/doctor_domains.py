"""A site's own hosts: who answers for them in DNS, who may certify them, who has them now, and how their certificate is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from toolkit.aws.dns import climb
from toolkit.aws.doctor import Patient, fine, pages, wrong
from toolkit.aws.doctor_account import describe_stack
from toolkit.aws.outputs import site_outputs
from toolkit.engine.advice import PROBLEM, WARNING, Finding
from toolkit.engine.stacks import CERTIFICATE, EDGE_REGION, stack_name

# Any of them lets ACM issue ("Configure a CAA record", ACM user guide).
AMAZON = ("amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com")
_RENEWAL_SECONDS = 30 * 86400


def delegation(patient: Patient) -> Iterator[Finding]:
    """Whether DNS asks the name servers that the hosts' records are with."""
    for zone in sorted({_bare(host) for host in patient.facts.hosts}) if not patient.facts.hosted_zone_id else ():
        where, servers = climb(zone, "NS", patient.lookup)
        if "." not in where:
            yield wrong(f"nobody answers for {zone} in DNS", "register the domain, or correct the host in site.toml")
        else:
            yield fine(f"the records of {zone} are made by hand at {', '.join(servers[:2])} (zone {where})")


def zone_delegation(patient: Patient) -> Iterator[Finding]:
    """The Route 53 zone of site.toml is public, of that name, and the one that DNS asks."""
    facts = patient.facts
    if not facts.hosted_zone_id:
        return
    reply = patient.client("route53", EDGE_REGION).get_hosted_zone(Id=facts.hosted_zone_id)
    name = reply["HostedZone"]["Name"].removesuffix(".")
    if name != facts.hosted_zone_name:
        yield wrong(
            f"the zone {facts.hosted_zone_id} is {name}, site.toml says {facts.hosted_zone_name}",
            "correct hosted_zone_id or hosted_zone_name in site.toml's [aws]",
        )
        return
    if reply["HostedZone"].get("Config", {}).get("PrivateZone"):
        yield wrong(f"{name} is a private zone: nobody outside sees its records", "name the public zone in site.toml's [aws]")
        return
    ours = {server.lower().removesuffix(".") for server in reply["DelegationSet"]["NameServers"]}
    there = set(patient.lookup(name, "NS"))
    if there == ours:
        yield fine(f"{name} is delegated to its zone {facts.hosted_zone_id}")
        return
    said = f"DNS asks {', '.join(sorted(there))}" if there else "DNS asks nobody"
    yield wrong(
        f"{name} is not delegated to its zone {facts.hosted_zone_id}: {said}",
        f"set the name servers at the registrar (or in the parent zone) to {', '.join(sorted(ours))}",
    )


def caa(patient: Patient) -> Iterator[Finding]:
    """Whether the domain lets Amazon issue certificates (RFC 8659). A CAA record that names others only forbids it."""
    if not patient.facts.hosts or patient.facts.certificate_arn:
        return
    forbidden = []
    for host in patient.facts.hosts:
        where, records = climb(_bare(host), "CAA", patient.lookup)
        if not _may_issue(records, is_wildcard=host.startswith("*.")):
            forbidden.append(host)
            tag = "issuewild" if host.startswith("*.") else "issue"
            yield wrong(
                f"the CAA records of {where} forbid Amazon to certify {host}: {'; '.join(records)}",
                f'add to the DNS of {where}: CAA 0 {tag} "amazon.com"',
            )
    if not forbidden:
        yield fine(f"Amazon may certify {', '.join(patient.facts.hosts)}")


def _may_issue(records: Iterable[str], *, is_wildcard: bool) -> bool:
    tags: dict[str, set[str]] = {}
    for record in records:
        _, tag, value = record.split(None, 2)
        tags.setdefault(tag.lower(), set()).add(value.strip('"').partition(";")[0].strip())
    wanted = tags.get("issuewild") if is_wildcard and "issuewild" in tags else tags.get("issue")
    return wanted is None or bool(wanted & set(AMAZON))


def aliases(patient: Patient) -> Iterator[Finding]:
    """Whether another distribution has one of the hosts: CloudFront gives a host to one distribution, in all of AWS."""
    if not patient.facts.hosts:
        return
    client, own = patient.client("cloudfront", EDGE_REGION), _outputs(patient)
    listed = [item for page in pages(client, "list_distributions") for item in page.get("Items") or ()]
    taken: dict[str, str] = {}
    for item in listed:
        for host in set(patient.facts.hosts) & set(item.get("Aliases", {}).get("Items") or ()):
            if item["Id"] != own.get("DistributionId"):
                taken[host] = f"the distribution {item['Id']} ({item['DomainName']}) of this account"
    for host in patient.facts.hosts:
        taken.setdefault(host, _elsewhere(client, patient, own, host))
    for host, holder in sorted(taken.items()):
        if holder:
            yield wrong(f"{host} belongs to {holder}", _move(host, own))
    if not any(taken.values()):
        yield fine(f"no other distribution has {', '.join(patient.facts.hosts)}")


def _elsewhere(client: Any, patient: Patient, own: Mapping[str, str], host: str) -> str:
    """The other account's distribution that has the host, as far as anybody tells: CloudFront does where the certificate of the
    asking distribution covers the host, DNS where the host is led by a CNAME record."""
    if own:
        listed = client.list_conflicting_aliases(DistributionId=own["DistributionId"], Alias=host)["ConflictingAliasesList"]
        for item in listed.get("Items") or ():
            if item["DistributionId"] != own["DistributionId"]:
                return f"the distribution {item['DistributionId']} of the account {item['AccountId']} (AWS hides parts of both)"
    target = "" if host.startswith("*.") else next(iter(patient.lookup(host, "CNAME")), "")
    if target.endswith(".cloudfront.net") and target != own.get("DomainName", "").lower():
        return f"the distribution at {target}, where DNS leads it"
    return ""


def _move(host: str, own: Mapping[str, str]) -> str:
    if not own:
        return "take it away from there first; or set the site up without it and move it then (aws cloudfront associate-alias)"
    return f"move it: aws cloudfront associate-alias --target-distribution-id {own['DistributionId']} --alias {host}"


def certificate(patient: Patient) -> Iterator[Finding]:
    """Whether the hosts' certificate is issued, covers them, and renews; the records that its validation waits for."""
    if not patient.facts.hosts:
        return
    arn = patient.facts.certificate_arn or _made(patient)
    if not arn:
        yield fine("`toolkit up --target aws` makes the certificate")
        return
    found = patient.client("acm", EDGE_REGION).describe_certificate(CertificateArn=arn)["Certificate"]
    names = {found["DomainName"], *found.get("SubjectAlternativeNames", ())}
    missing = [host for host in patient.facts.hosts if not covers(names, host)]
    if missing:
        yield wrong(f"the certificate {arn} is not for {', '.join(missing)}", "have one made for all hosts of site.toml")
    if found["Status"] != "ISSUED":
        yield from _waiting(patient, found)
        return
    left = found["NotAfter"].timestamp() - patient.clock()
    if left < _RENEWAL_SECONDS:
        fix = "keep its validation records in DNS, so that ACM renews it; an imported certificate is renewed by importing a new one"
        yield Finding("", WARNING if left > 0 else PROBLEM, f"the certificate ends in {left / 86400:.0f} days: {arn}", fix)
    elif not missing:
        yield fine(f"issued until {found['NotAfter']:%Y-%m-%d}")


def _waiting(patient: Patient, found: Mapping[str, Any]) -> Iterator[Finding]:
    if found["Status"] != "PENDING_VALIDATION":
        reason = found.get("FailureReason", "no reason given")
        yield wrong(f"the certificate is {found['Status']} ({reason})", "run `toolkit up --target aws` again after mending that")
        return
    absent = []
    for option in found.get("DomainValidationOptions", ()):
        record = option.get("ResourceRecord")
        if record and record["Value"].lower().removesuffix(".") not in patient.lookup(record["Name"].removesuffix("."), "CNAME"):
            absent.append(f"{record['Name']} {record['Type']} {record['Value']}")
    if absent:
        yield wrong("the certificate waits for DNS records that are not there", "make them: " + "; ".join(dict.fromkeys(absent)))
    else:
        yield Finding("", WARNING, "the certificate waits for its validation; the records are there", "wait: it can take an hour")


def covers(names: Iterable[str], host: str) -> bool:
    """Whether a certificate for these names is one for the host: `*` stands for one label."""
    return host in names or f"*.{host.partition('.')[2]}" in names


def _made(patient: Patient) -> str:
    """The certificate that the certificate's stack made, also while that still waits."""
    name = stack_name(CERTIFICATE, patient.facts.site)
    if describe_stack(patient, name, EDGE_REGION) is None:
        return ""
    listed = patient.client("cloudformation", EDGE_REGION).describe_stack_resources(StackName=name)["StackResources"]
    kinds = [item for item in listed if item["ResourceType"] == "AWS::CertificateManager::Certificate"]
    return str(kinds[0].get("PhysicalResourceId", "")) if kinds else ""


def _outputs(patient: Patient) -> dict[str, str]:
    """What the site's stack says of itself, {} while there is none."""
    name = patient.facts.site_stack
    found = describe_stack(patient, name, patient.region) or {}
    items = {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", ())}
    return site_outputs(items, patient.facts.outputs, name) if items else {}


def _bare(host: str) -> str:
    return host.removeprefix("*.")
