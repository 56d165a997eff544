"""A site's pipelines: the connection to its repository, secrets of builds, room for them, and what ran last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from toolkit.aws.doctor import Patient, fine, wrong
from toolkit.aws.doctor_account import describe_stack
from toolkit.aws.errors import code
from toolkit.aws.outputs import pipelines as site_pipelines
from toolkit.aws.outputs import site_outputs
from toolkit.engine.advice import WARNING, Finding, PipelineFacts

# What a filter of DescribeParameters takes ("ParameterStringFilter", Systems Manager API reference).
_NAMES = 50
_SECRET = ":secretsmanager:"
RUNS = ("ListPipelineExecutions", "ListActionExecutions")
# How Service Quotas names where builds run ("Quotas for AWS CodeBuild", user guide).
_FLEETS = {"arm": "ARM", "x86": "Linux"}


def connection(patient: Patient) -> Iterator[Finding]:
    """Whether the pipelines may read the repository. A connection made by a command or a template waits for a person: the handshake
    with GitHub can be done in the console only ("Update a pending connection", Developer Tools console user guide)."""
    arn = patient.facts.pipelines.connection_arn
    if not arn:
        return
    _, _, service, region, account, name = arn.split(":", 5)
    if region != patient.region:
        yield Finding(
            "",
            WARNING,
            f"the connection is of {region}, the site of {patient.region}: whether pushes start its pipelines then is not known",
            _new_connection(patient.region),
        )
    if account != patient.account:
        share = f"name one of the account {patient.account} in [aws.github] connection_arn, or share it (AWS RAM) with that account"
        yield Finding("", WARNING, f"the connection belongs to the account {account}, the site to {patient.account}", share)
    try:
        found = patient.client(service, region).get_connection(ConnectionArn=arn)["Connection"]
    except ClientError as error:
        if code(error) not in ("ResourceNotFoundException", "ResourceUnavailableException"):
            raise
        yield wrong(f"there is no connection {arn}", _new_connection(patient.region))
        return
    yield _connection_state(patient.facts.pipelines, found, console(region, account, name))


def console(region: str, account: str, name: str) -> str:
    """A connection's page; `name` is the end of its ARN, `connection/<id>`."""
    identity = name.partition("/")[2]
    return f"https://{region}.console.aws.amazon.com/codesuite/settings/{account}/{region}/connections/{identity}"


def _new_connection(region: str) -> str:
    made = f"aws codeconnections create-connection --provider-type GitHub --connection-name github --region {region}"
    return f"make one: {made}; write the ARN that it prints into [aws.github] connection_arn, and run `toolkit doctor` again"


def _connection_state(facts: PipelineFacts, found: Mapping[str, Any], link: str) -> Finding:
    name, state = found["ConnectionName"], found["ConnectionStatus"]
    if state == "PENDING":
        return wrong(
            f"the connection {name} is pending: AWS may not read {facts.repository} yet",
            f"open {link}, choose `Update pending connection`, then `Install a new app` (or the one that is there), give it the "
            f"repository {facts.repository} and choose `Connect`; only a person can do that",
        )
    if state != "AVAILABLE":
        return wrong(
            f"the connection {name} is in the state {state}",
            f"AWS tries again by itself; if it stays so, see at {link} whether its app is still installed on GitHub and may read "
            f"{facts.repository}",
        )
    return fine(
        f"{name} ({found.get('ProviderType', 'GitHub')}) is available; that its app may read {facts.repository} a push shows"
    )


def secrets(patient: Patient) -> Iterator[Finding]:
    """Whether the secrets of builds are there. Only what is said of them is read: whoever may get a parameter's text may, with the
    usual key, read the secret in it."""
    places = patient.facts.pipelines.secrets
    in_manager = {name: place for name, place in places.items() if _SECRET in place}
    faults = [*_parameters(patient, {name: place for name, place in places.items() if name not in in_manager})]
    faults += [fault for name, place in in_manager.items() for fault in _managed(patient, name, place)]
    if faults:
        yield from faults
    elif places:
        yield fine(f"{', '.join(places)}: there, as site.toml says")


def _parameters(patient: Patient, places: Mapping[str, str]) -> Iterator[Finding]:
    wanted = sorted(set(places.values()))
    kinds: dict[str, str] = {}
    for start in range(0, len(wanted), _NAMES):
        some = [{"Key": "Name", "Option": "Equals", "Values": wanted[start : start + _NAMES]}]
        pages = patient.client("ssm").get_paginator("describe_parameters").paginate(ParameterFilters=some)
        kinds |= {item["Name"]: item["Type"] for page in pages for item in page["Parameters"]}
    for name, place in places.items():
        put = f"aws ssm put-parameter --name {place} --type SecureString --value ... --region {patient.region}"
        kind = kinds.get(place)
        if kind is None:
            yield wrong(f"the secret {name} is not there: no parameter {place} in {patient.region}", put)
        elif kind != "SecureString":
            yield Finding(
                "", WARNING, f"the secret {name} is a {kind}, which is kept as it is", f"make it a SecureString: {put} --overwrite"
            )


def _managed(patient: Patient, name: str, place: str) -> Iterator[Finding]:
    """CodeBuild takes a key and a stage behind the ARN ("Buildspec reference", env/secrets-manager)."""
    arn = ":".join(place.split(":")[:7])
    try:
        found = patient.client("secretsmanager", arn.split(":")[3]).describe_secret(SecretId=arn)
    except ClientError as error:
        if code(error) != "ResourceNotFoundException":
            raise
        yield wrong(f"the secret {name} is not there: no {arn}", "correct its ARN in [aws.build] secrets, or make the secret")
        return
    if "DeletedDate" in found:
        yield wrong(f"the secret {name} is being deleted: {arn}", f"aws secretsmanager restore-secret --secret-id {arn}")


def capacity(patient: Patient) -> Iterator[Finding]:
    """How many builds may run at once: new accounts have been given one, or none at all, and builds are then refused."""
    facts = patient.facts.pipelines
    if not facts.keys or not facts.builds:
        return
    fleet = f"{_FLEETS[facts.architecture]}/{facts.compute.title()}"
    pager = patient.client("service-quotas").get_paginator("list_service_quotas")
    listed = [item for page in pager.paginate(ServiceCode="codebuild") for item in page["Quotas"]]
    wanted = f"concurrently running builds for {fleet} environment".lower()
    said = [item for item in listed if item["QuotaName"].lower() == wanted]
    if not said:
        return
    count = int(said[0]["Value"])
    if count:
        yield fine(f"{count} {fleet} builds at once; more wait")
        return
    link = f"https://{patient.region}.console.aws.amazon.com/servicequotas/home/services/codebuild/quotas/{said[0]['QuotaCode']}"
    yield wrong(f"this account may run no {fleet} builds in {patient.region}", f"ask for more at {link}")


def executions(patient: Patient) -> Iterator[Finding]:
    """How the last run of each pipeline ended. A run that failed is no fault of the account: what served before still does."""
    wanted = patient.facts.pipelines.keys
    there = physical(patient) if wanted else None
    if there is None:
        return
    if missing := [key for key in wanted if key not in there]:
        yield Finding("", WARNING, f"not there yet: the pipelines {', '.join(missing)}", "run `toolkit up --target aws`")
    client, ran = patient.client("codepipeline"), []
    for key, name in there.items():
        found = client.list_pipeline_executions(pipelineName=name, maxResults=1)["pipelineExecutionSummaries"]
        # A pipeline runs once when it is made; that of zips finds none then.
        is_first = bool(found) and found[0].get("trigger", {}).get("triggerType") == "CreatePipeline"
        if found and found[0]["status"] in ("Failed", "Stopped") and not is_first:
            yield _failed(client, key, name, found[0])
        else:
            ran.append(f"{key}: {found[0]['status'] if found and not is_first else 'nothing has run yet'}")
    if ran:
        yield fine(", ".join(ran))


def physical(patient: Patient) -> dict[str, str] | None:
    """The names of the pipelines that the site's stack has, by their keys; None without a stack that is finished."""
    said = outputs(patient)
    return site_pipelines(said) if said else None


def outputs(patient: Patient) -> dict[str, str]:
    """Those of the site's stack, {} while it is not finished."""
    facts = patient.facts
    found = describe_stack(patient, facts.site_stack, patient.region) or {}
    items = {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", ())}
    return site_outputs(items, facts.outputs, facts.site_stack) if items else {}


def _failed(client: Any, key: str, name: str, run: Mapping[str, Any]) -> Finding:
    pager = client.get_paginator("list_action_executions")
    pages = pager.paginate(pipelineName=name, filter={"pipelineExecutionId": run["pipelineExecutionId"]})
    actions = [item for page in pages for item in page["actionExecutionDetails"] if item["status"] in ("Failed", "Abandoned")]
    said = f"the last run of the pipeline {key} {'was stopped' if run['status'] == 'Stopped' else 'failed'}"
    if actions:
        said += f" in {actions[0]['stageName']}" + "".join(f": {text}" for text in _words(actions[0]))
    fix = "`toolkit logs` shows the build, `toolkit status` every stage; then push again, or `toolkit trigger`"
    return Finding("", WARNING, said, fix)


def _words(action: Mapping[str, Any]) -> Iterable[str]:
    result = action.get("output", {}).get("executionResult", {})
    text = result.get("errorDetails", {}).get("message") or result.get("externalExecutionSummary") or ""
    return [" ".join(text.split())[:300]] if text else []
