"""Exit nodes on Amazon EC2, against moto: made, listed, shown, removed, killed, refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ec2_process import running_ec2
from support.killed import walk
from support.loopback_ec2 import ApiOnlyProvider, client, left_of
from support.rented_node import end_node, free_ports
from support.scripted import at_once

from tunnel.cli import main
from tunnel.exitnodes import engine, errors, registry
from tunnel.exitnodes.clouds import ec2
from tunnel.exitnodes.clouds.ec2 import Ec2Provider
from tunnel.exitnodes.model import Order, Search
from tunnel.exitnodes.state import Store


@pytest.fixture(scope="module")
def ec2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ec2")


@pytest.fixture(scope="module")
def ec2_url(ec2_folder: Path) -> Iterator[str]:
    with running_ec2(ec2_folder) as url:
        yield url


@pytest.fixture(autouse=True)
def account(ec2_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ec2_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEJEMPLO")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secreto/de+ejemplo")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "estado"))
    monkeypatch.setenv("TUNELAB_TEST_MACHINES", str(tmp_path / "maquinas"))


@pytest.fixture
def fault(ec2_folder: Path) -> Iterator[Path]:
    """The folder in which a file makes the call of its name fail."""
    folder = ec2_folder / "fallas"
    folder.mkdir(exist_ok=True)
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def order_of(name: str, provider: Ec2Provider | None = None, **values: object) -> Order:
    order = Order("ec2", name, Store().folder("ec2", name), student="ana", **values)  # type: ignore[arg-type]
    return (provider or ApiOnlyProvider()).settle(order)


def create(order: Order) -> None:
    engine.create(ApiOnlyProvider(), order, Store(), lambda event: None, at_once)


def delete(order: Order) -> None:
    engine.delete(ApiOnlyProvider(), order, Store(), lambda event: None)


@pytest.mark.timeout(120)
def test_a_node_is_made_shown_listed_and_removed_with_nothing_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(registry.PROVIDERS, "ec2", "support.loopback_ec2:LoopbackProvider")
    ports = [str(port) for port in free_ports(2)]
    asked = ["--provider", "ec2", "--nombre", "nodo-entero", "--port", ports[0], "--control-port", ports[1]]
    try:
        assert main(["exit-node", "create", *asked, "--si", "--json"]) == 0
        made = json.loads(capsys.readouterr().out)
        assert made["phase"] == "listo"
        assert made["remote"] == f"127.0.0.1:{ports[0]}"
        connection = Path(made["connection_file"]).read_text()
        assert f'url = "wss://127.0.0.1:{ports[1]}"' in connection
        assert len(left_of("nodo-entero")) == 3  # machine, disk, group; no key pair

        assert main(["exit-node", "list", "--provider", "ec2", "--json"]) == 0
        listed = json.loads(capsys.readouterr().out)["nodes"]
        assert [(node["name"], node["state"]) for node in listed] == [("nodo-entero", "en marcha")]
        assert main(["exit-node", "show", "nodo-entero"]) == 0
        assert "NO" not in capsys.readouterr().out.replace("NOMBRE", "")

        assert main(["exit-node", "delete", "nodo-entero", "--si", "--json"]) == 0
        receipt = json.loads(capsys.readouterr().out)
        assert receipt["clean"] is True
        assert receipt["removed"] == ["instalacion", "maquina", "reglas", "grupo"]
        assert [query["answer"] for query in receipt["queries"]] == [[], [], []]
        assert left_of("nodo-entero") == []
        assert not list((tmp_path / "estado" / "tunelab").glob("nodos/*/*"))
    finally:
        for machine in (tmp_path / "maquinas").glob("*"):
            end_node(machine)


@pytest.mark.timeout(600)
def test_a_kill_at_any_moment_leaves_nothing_once_continued_or_deleted(tmp_path: Path) -> None:
    walk("support.loopback_ec2:scene", tmp_path, left=lambda root: left_of(f"nodo-{root.name}"))


def test_the_plan_needs_no_account_and_shows_calls_costs_and_what_was_never_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert main(["exit-node", "create", "--provider", "ec2", "--plan", "--duracion", "2h"]) == 0
    text = capsys.readouterr().out
    assert "RunInstances(InstanceType=t3.micro" in text
    assert "se elimina sola a las 2 h" in text
    assert "nunca contra la nube real" in text
    assert "gratis" not in text


def test_only_the_asked_ports_are_open_and_only_to_the_asked_ranges() -> None:
    order = order_of("nodo-puertos", source_ranges=("203.0.113.9/24", "198.51.100.7"), tcp_ports=(5432,))
    create(order)
    group = client().describe_security_groups(GroupNames=["tunelab-nodo-puertos"])["SecurityGroups"][0]
    open_to = {
        (rule["FromPort"], rule["ToPort"], source["CidrIp"])
        for rule in group["IpPermissions"]
        for source in rule["IpRanges"]
    }
    sources = ("203.0.113.0/24", "198.51.100.7/32")
    assert open_to == {(port, port, source) for port in (22, 5432, 8000, 8123) for source in sources}
    delete(order)
    assert left_of("nodo-puertos") == []


def test_the_machine_ends_with_its_time_and_its_disk_with_it() -> None:
    order = order_of("nodo-plazo")
    create(order)
    ec2 = client()
    filters = [{"Name": "tag:nodo", "Values": ["nodo-plazo"]}]
    instance = ec2.describe_instances(Filters=filters)["Reservations"][0]["Instances"][0]
    behaviour = ec2.describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="instanceInitiatedShutdownBehavior"
    )
    assert behaviour["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
    assert all(disk["Ebs"]["DeleteOnTermination"] for disk in instance["BlockDeviceMappings"])
    assert instance["ImageId"] == "ami-0debian1220261018"  # the newest of Debian's
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert {"curso", "alumno", "nodo", "vence"} <= set(tags)
    delete(order)


def test_a_lost_state_is_made_good_even_in_another_region() -> None:
    order = order_of("nodo-perdido", region="eu-west-3")
    create(order)
    (order.folder / "estado.json").unlink()
    found = {node.name: node for node in Ec2Provider().found(Search())}
    assert found["nodo-perdido"].region == "eu-west-3"
    delete(Order("ec2", "nodo-perdido", order.folder))  # as the command asks, which knows no region then
    assert left_of("nodo-perdido", "eu-west-3") == []


def test_a_disk_that_survives_its_machine_is_found_and_told(fault: Path) -> None:
    order = order_of("nodo-disco")
    create(order)
    provider = ApiOnlyProvider()
    machine = provider.cloud.machine(order)
    assert machine is not None
    provider.cloud.adopt(order, machine)
    kept = client().create_volume(
        AvailabilityZone="us-east-1a",
        Size=1,
        TagSpecifications=[
            {"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "tunelab-nodo-disco"}]}
        ],
    )["VolumeId"]
    with pytest.raises(errors.SomethingLeft, match=kept):
        delete(order)
    client().delete_volume(VolumeId=kept)
    delete(order)


def test_what_belongs_to_somebody_else_is_neither_taken_nor_removed() -> None:
    group = client().create_security_group(GroupName="tunelab-nodo-ajeno", Description="de otra persona")
    order = order_of("nodo-ajeno")
    with pytest.raises(errors.NameTaken, match="--nombre"):
        create(order)
    with pytest.raises(errors.SomethingLeft):
        delete(order)
    client().delete_security_group(GroupId=group["GroupId"])  # it was still there
    delete(order)


FAULTS = [
    ("RunInstances", "InstanceLimitExceeded You have requested more", errors.QuotaExceeded, "límite"),
    ("RunInstances", "VcpuLimitExceeded You have requested more vCPU", errors.QuotaExceeded, "límite"),
    ("RunInstances", "PendingVerification Your account is being verified", errors.BillingDisabled, "pago"),
    ("RunInstances", "UnauthorizedOperation You are not authorized", errors.PermissionDenied, "permiso"),
    ("RunInstances", "InsufficientInstanceCapacity no capacity", errors.ZoneExhausted, "--region"),
    ("RunInstances", "RequestLimitExceeded Request limit exceeded.", errors.Unavailable, "repita"),
    ("CreateSecurityGroup", "SecurityGroupLimitExceeded the maximum", errors.QuotaExceeded, "límite"),
    ("DescribeSecurityGroups", "AuthFailure AWS was not able to", errors.NotLoggedIn, "credenciales"),
    ("RunInstances", "InvalidParameterValue something odd", errors.ProviderFailed, "something odd"),
]


@pytest.mark.parametrize(("action", "words", "kind", "told"), FAULTS)
def test_each_refusal_has_its_own_message_and_the_order_can_be_continued_or_removed(
    fault: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    words: str,
    kind: type[errors.ExitNodeError],
    told: str,
) -> None:
    monkeypatch.setattr(ec2, "_THROTTLE_WAITS_S", (0.0,))
    order = order_of(f"nodo-{words.split()[0].lower()}"[:40])
    (fault / action).write_text(words)
    with pytest.raises(kind, match=told) as refused:
        create(order)
    assert "secreto/de+ejemplo" not in str(refused.value)
    (fault / action).unlink()
    create(order)
    delete(order)
    assert left_of(order.name) == []


def test_calls_that_were_too_many_are_made_again_a_moment_later(
    fault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_of("nodo-muchos")
    refused = fault / "RunInstances"
    refused.write_text("RequestLimitExceeded Request limit exceeded.")

    class Waits:
        """The waits, of which the second brings the end of the refusals."""

        def __iter__(self) -> Iterator[float]:
            yield 0.0
            refused.unlink(missing_ok=True)
            yield 0.0

    monkeypatch.setattr(ec2, "_THROTTLE_WAITS_S", Waits())
    create(order)
    assert not refused.exists()
    delete(order)
    assert left_of("nodo-muchos") == []


def test_where_a_zone_is_full_the_next_one_is_tried(fault: Path) -> None:
    order = order_of("nodo-zonas")
    # Amazon's own choice, and the first zone, are full.
    (fault / "RunInstances").write_text(
        "InsufficientInstanceCapacity no capacity\n!Placement.AvailabilityZone=us-east-1b"
    )
    create(order)
    filters = [{"Name": "tag:nodo", "Values": ["nodo-zonas"]}]
    instance = client().describe_instances(Filters=filters)["Reservations"][0]["Instances"][0]
    assert instance["Placement"]["AvailabilityZone"] == "us-east-1b"
    (fault / "RunInstances").unlink()
    delete(order)


def test_an_unknown_region_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(errors.BadOrder, match="us-east-1"):
        order_of("nodo-region", region="us-eas-1")


def test_a_provider_that_does_not_answer_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
    order = order_of("nodo-solo")
    with pytest.raises(errors.Unavailable):
        ApiOnlyProvider().check(order)


def test_the_calls_that_go_elsewhere_than_to_amazon_are_told_in_the_plan(ec2_url: str) -> None:
    notes = " ".join(Ec2Provider().notes(order_of("nodo-aviso")))
    assert ec2_url.removeprefix("http://") in notes
