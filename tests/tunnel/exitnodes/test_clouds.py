"""The clouds by token, held to Libcloud's own drivers; credentials, user data, the kinds of errors."""

from __future__ import annotations

import base64
import inspect
import json
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from libcloud.common.exceptions import BaseHTTPError, RateLimitReachedError
from libcloud.common.types import InvalidCredsError, LibcloudError
from libcloud.common.vultr import VultrException
from libcloud.compute.providers import DRIVERS, get_driver
from support.requirements import require_program
from support.scripted import at_once

from tunnel.exitnodes import engine, errors, prices, registry
from tunnel.exitnodes.clouds.by_token import (
    DigitalOcean,
    DigitalOceanProvider,
    Linode,
    LinodeProvider,
    TokenCloud,
    Vultr,
    VultrProvider,
)
from tunnel.exitnodes.clouds.credentials import read_aws_credentials
from tunnel.exitnodes.clouds.ec2 import Ec2
from tunnel.exitnodes.clouds.faults import code_of, translated
from tunnel.exitnodes.clouds.keys import load_keys, make_keys
from tunnel.exitnodes.clouds.provider import CloudProvider
from tunnel.exitnodes.clouds.user_data import MAX_BYTES, render_user_data
from tunnel.exitnodes.model import Announcement, Order, Search
from tunnel.exitnodes.provider import Context
from tunnel.exitnodes.state import Store

PROVIDERS: list[type[CloudProvider]] = [DigitalOceanProvider, LinodeProvider, VultrProvider]
SECRET = "clave-de-la-api-de-ejemplo"
ADDRESS = "192.0.2.44"  # documentation's, RFC 5737: nothing is there


class Api(ThreadingHTTPServer):
    """The three APIs as far as they are used, in the shapes that their references show.

    It keeps what was sent to it, and refuses paths, methods and keys that it does not know.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.machines: dict[str, dict[str, Any]] = {}
        self.posted: list[dict[str, Any]] = []
        self.answer: tuple[int, dict[str, Any]] | None = None  # to everything, in place of an answer
        self.refused: list[str] = []  # what it was asked and does not know

    def handle_error(self, request: object, client_address: object) -> None:
        self.refused.append(traceback.format_exc())


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        machines = list(self.server.machines.values())
        meta = {"meta": {"total": len(machines), "links": {"next": "", "prev": ""}}}
        answers: dict[str, dict[str, Any]] = {
            "/v2/regions": {
                "regions": [
                    {
                        "slug": slug,
                        "name": slug,
                        "available": True,
                        "id": slug,
                        "city": slug,
                        "country": "US",
                        "continent": "x",
                        "options": [],
                    }
                    for slug in ("nyc3", "ewr")
                ],
                **meta,
            },
            "/v4/regions": {
                "data": [
                    {"id": "us-east", "country": "us", "status": "ok", "capabilities": [], "resolvers": {}}
                ],
                "page": 1,
                "pages": 1,
            },
            "/v2/droplets": {"droplets": machines, **meta},
            "/v4/linode/instances": {"data": machines, "page": 1, "pages": 1},
            "/v2/instances": {"instances": machines, **meta},
        }
        self.reply(200, answers[path])

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posted.append(sent)
        path = self.path.partition("?")[0]
        made = {"/v2/droplets": droplet, "/v4/linode/instances": linode, "/v2/instances": vultr}[path](sent)
        self.server.machines[str(made["id"])] = made
        wrapped = {"/v2/droplets": {"droplet": made}, "/v2/instances": {"instance": made}}
        self.reply(202 if path == "/v2/droplets" else 200, wrapped.get(path, made))

    def do_DELETE(self) -> None:
        del self.server.machines[self.path.partition("?")[0].rpartition("/")[2]]
        self.reply(200, {}) if self.path.startswith("/v4") else self.reply(204, None)

    def reply(self, status: int, document: dict[str, Any] | None) -> None:
        if self.headers["Authorization"] != f"Bearer {SECRET}":
            status, document = (
                401,
                {
                    "message": "Unable to authenticate you",
                    "error": "Invalid API token.",
                    "errors": [{"reason": "Invalid Token"}],
                },
            )
        if self.server.answer is not None:
            status, document = self.server.answer
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def droplet(sent: dict[str, Any]) -> dict[str, Any]:
    # https://docs.digitalocean.com/reference/api/reference/droplets/
    assert set(sent) == {"name", "size", "image", "region", "user_data", "tags"}
    return {
        "id": 3164494,
        "name": sent["name"],
        "status": "active",
        "created_at": "2026-11-21T05:00:00Z",
        "tags": sent["tags"],
        "region": {"name": "New York 3", "slug": sent["region"]},
        "networks": {"v4": [{"ip_address": ADDRESS, "type": "public"}]},
    }


def linode(sent: dict[str, Any]) -> dict[str, Any]:
    # https://techdocs.akamai.com/linode-api/reference/post-linode-instance
    known = {
        "region",
        "type",
        "private_ip",
        "backups_enabled",
        "metadata",
        "image",
        "root_pass",
        "label",
        "tags",
    }
    assert set(sent) == known
    assert all(3 <= len(tag) <= 50 for tag in sent["tags"])
    base64.b64decode(sent["metadata"]["user_data"], validate=True)
    unused = dict.fromkeys(("ipv6", "hypervisor", "specs", "alerts", "backups", "watchdog_enabled"))
    return {
        **unused,
        "id": 123,
        "label": sent["label"],
        "status": "running",
        "created": "2026-11-21T05:00:00",
        "region": sent["region"],
        "type": sent["type"],
        "image": sent["image"],
        "ipv4": [ADDRESS],
        "tags": sent["tags"],
    }


def vultr(sent: dict[str, Any]) -> dict[str, Any]:
    # https://www.vultr.com/api/#operation/create-instance
    assert set(sent) == {
        "label", "region", "plan", "enable_ipv6", "activation_email", "os_id", "user_data", "hostname", "tag",
    }  # fmt: skip
    base64.b64decode(sent["user_data"], validate=True)
    unused = dict.fromkeys(
        ("ram", "disk", "netmask_v4", "gateway_v4", "v6_network", "v6_network_size", "app_id", "image_id",
         "features", "os", "vcpu_count", "allowed_bandwidth", "firewall_group_id")
    )  # fmt: skip
    return {
        **unused,
        "id": "4f0f12e5",
        "label": sent["label"],
        "main_ip": ADDRESS,
        "v6_main_ip": "",
        "internal_ip": "",
        "plan": sent["plan"],
        "os_id": sent["os_id"],
        "date_created": "2026-11-21T05:00:00+00:00",
        "region": sent["region"],
        "status": "active",
        "power_status": "running",
        "server_status": "ok",
        "tag": sent["tag"],
    }


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        plain = TokenCloud.connect

        def connect(cloud: TokenCloud, region: str) -> Any:
            driver = plain(cloud, region)
            # DigitalOcean's driver takes no endpoint where it is made.
            driver.connection.secure = 0
            driver.connection.connect(host="127.0.0.1", port=server.server_port)
            return driver

        monkeypatch.setattr(TokenCloud, "connect", connect)
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            assert server.refused == []


@pytest.fixture(autouse=True)
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "estado"))
    for cloud in (DigitalOcean, Linode, Vultr):
        for variable in cloud.variables:
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv(cloud.variables[0], SECRET)


def order_of(provider: CloudProvider, tmp_path: Path, **values: Any) -> Order:
    folder = Store().folder(provider.name, "nodo-ana")
    folder.mkdir(parents=True, exist_ok=True)
    return provider.settle(Order(provider.name, "nodo-ana", folder, student="ana", **values))


@pytest.mark.parametrize("provider_class", PROVIDERS, ids=lambda found: str(found.name))
def test_a_machine_is_rented_found_by_its_labels_and_given_back(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider_class: type[CloudProvider]
) -> None:
    provider = provider_class()
    monkeypatch.setattr(provider, "steps", lambda order: type(provider).steps(provider, order)[:-1])
    announced = Announcement(f"wss://{ADDRESS}:8123", f"http://{ADDRESS}:8000", f"sha256:{'0' * 64}")
    monkeypatch.setattr(provider, "announcement", lambda context: announced)
    order, store = order_of(provider, tmp_path), Store()
    provider.check(order)
    state = engine.create(provider, order, store, lambda event: None, at_once)
    assert state.facts["address"] == ADDRESS
    assert len(api.posted) == 1
    [found] = provider.found(Search())
    assert (found.name, found.student, found.state) == ("nodo-ana", "ana", "en marcha")
    assert found.expires == state.facts["expires"]
    secret = order.secret_file.read_text().strip()
    assert secret not in json.dumps(api.posted)
    engine.create(provider, order, store, lambda event: None, at_once)
    assert len(api.posted) == 1  # it was there
    receipt, _ = engine.delete(provider, order, store, lambda event: None)
    assert receipt.removed == ("maquina",)
    assert receipt.left == ()
    assert api.machines == {}


@pytest.mark.parametrize("provider_class", PROVIDERS, ids=lambda found: str(found.name))
def test_a_machine_of_that_name_that_is_not_ours_is_left_alone(
    api: Api, tmp_path: Path, provider_class: type[CloudProvider]
) -> None:
    provider = provider_class()
    order = order_of(provider, tmp_path)
    provider.steps(order)[0].make(Context(order))
    for machine in api.machines.values():
        machine["tags"], machine["tag"] = [], ""
    with pytest.raises(errors.NameTaken, match="--nombre"):
        provider.steps(order)[0].find(Context(order))
    assert provider.survivors(order)[0].answer  # it has our name, and so is told


@pytest.mark.parametrize("provider_class", PROVIDERS, ids=lambda found: str(found.name))
def test_refused_credentials_and_unknown_regions_are_told_before_anything_is_made(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider_class: type[CloudProvider]
) -> None:
    with pytest.raises(errors.BadOrder, match="marte-1"):
        provider_class().check(order_of(provider_class(), tmp_path, region="marte-1"))
    variable = provider_class.cloud_class.variables[0]  # type: ignore[attr-defined]
    monkeypatch.setenv(variable, "otra")
    with pytest.raises(errors.NotLoggedIn, match="credenciales"):
        provider_class().check(order_of(provider_class(), tmp_path))
    monkeypatch.delenv(variable)
    with pytest.raises(errors.NotLoggedIn, match=variable):
        provider_class().check(order_of(provider_class(), tmp_path))
    assert api.posted == []


REFUSALS = [
    (DigitalOceanProvider, 422, {"message": "creating this/these droplet(s) will exceed your droplet limit"}),
    (LinodeProvider, 400, {"errors": [{"reason": "Account Limit reached. Please open a support ticket."}]}),
    (VultrProvider, 403, {"error": "You have reached the maximum number of active servers, limit 5"}),
]


@pytest.mark.parametrize(("provider_class", "status", "document"), REFUSALS)
def test_a_quota_is_told_as_one(
    api: Api, tmp_path: Path, provider_class: type[CloudProvider], status: int, document: dict[str, Any]
) -> None:
    provider = provider_class()
    order = order_of(provider, tmp_path)
    api.answer = (status, document)
    with pytest.raises(errors.QuotaExceeded, match="límite"):
        provider.steps(order)[0].make(Context(order))


class TestTheArgumentsAreOnesThatLibcloudKnows:
    """A driver with ``**kwargs`` would take any keyword and lose it: each is looked for by its name."""

    @pytest.mark.parametrize("cloud_class", [DigitalOcean, Linode, Vultr])
    def test_of_the_clouds_by_token(self, cloud_class: type[TokenCloud]) -> None:
        driver_class = type(get_driver(cloud_class.name)("clave"))
        bound: list[inspect.BoundArguments] = []

        class Recorder:
            def create_node(self, *values: object, **named: object) -> None:
                signature = inspect.signature(driver_class.create_node)
                assert not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
                bound.append(signature.bind(self, *values, **named))

        cloud_class().create(Recorder(), "nombre", "region", "#cloud-config", ["curso:tunelab"])
        [arguments] = bound
        given = arguments.arguments
        assert (given["name"], given["location"].id) == ("nombre", "region")
        assert (given["size"].id, given["image"].id) == (cloud_class.size, cloud_class.image)
        assert "#cloud-config" in given.values()

    def test_of_ec2(self) -> None:
        driver_class = get_driver("ec2")
        used = {
            "create_node": "location ex_userdata ex_security_groups ex_metadata ex_clienttoken "
            "ex_terminate_on_shutdown ex_blockdevicemappings",
            "list_nodes": "ex_filters ex_node_ids",
            "list_images": "ex_owner ex_filters",
            "list_volumes": "ex_filters",
            "ex_get_security_groups": "filters",
            "ex_authorize_security_group_ingress": "cidr_ips",
            "ex_revoke_security_group_ingress": "cidr_ips",
        }
        for method, names in used.items():
            parameters = inspect.signature(getattr(driver_class, method)).parameters
            assert set(names.split()) <= set(parameters), method

    def test_each_provider_still_has_a_driver(self) -> None:
        assert {"ec2", "digitalocean", "linode", "vultr"} <= set(DRIVERS)


class TestTheReasonsForWhatIsRefused:
    """If one of these fails, Libcloud has learned something, and so may this program."""

    def test_hetzner_has_no_driver(self) -> None:
        assert not [name for name in DRIVERS if "hetzner" in name]
        with pytest.raises(errors.BadOrder, match="Libcloud"):
            registry.load_provider("hetzner")

    def test_azures_driver_makes_no_network_and_no_group_and_breaks_on_user_data(self) -> None:
        driver_class = get_driver("azure_arm")
        for missing in ("ex_create_resource_group", "ex_create_network", "ex_create_security_rule"):
            assert not hasattr(driver_class, missing)
        # It makes bytes of the custom data, which JSON cannot hold, out of bytes, which no caller is told of.
        assert "base64.b64encode(ex_customdata)" in inspect.getsource(driver_class.create_node)
        with pytest.raises(errors.BadOrder, match="Libcloud"):
            registry.load_provider("azure")


class TestErrors:
    """Libcloud's exceptions become ours, whatever shape they have."""

    @pytest.mark.parametrize(
        ("raised", "kind"),
        [
            (InvalidCredsError("AuthFailure: no"), errors.NotLoggedIn),
            (InvalidCredsError("OptInRequired: not subscribed"), errors.BillingDisabled),
            (BaseHTTPError(400, "UnauthorizedOperation: no"), errors.PermissionDenied),
            (BaseHTTPError(402, "Payment required"), errors.BillingDisabled),
            (BaseHTTPError(503, "try later"), errors.Unavailable),
            (BaseHTTPError(418, "teapot"), errors.ProviderFailed),
            (RateLimitReachedError(), errors.Unavailable),
            (LibcloudError("Limit reached Status code: 400."), errors.QuotaExceeded),
            (VultrException(401, "Invalid API token."), errors.NotLoggedIn),
            (ConnectionRefusedError(111, "refused"), errors.Unavailable),
            (KeyError("main_ip"), errors.ProviderFailed),
        ],
    )
    def test_each_has_its_kind(self, raised: Exception, kind: type[errors.ExitNodeError]) -> None:
        with pytest.raises(errors.ExitNodeError) as told, translated("La nube"):
            raise raised
        assert type(told.value) is kind
        assert str(told.value).startswith("La nube ")

    def test_an_answer_that_libcloud_does_not_understand_is_told_as_such(self) -> None:
        with (
            pytest.raises(errors.ProviderFailed, match=r"no entiende.*KeyError.*main_ip"),
            translated("La nube"),
        ):
            raise KeyError("main_ip")

    def test_our_own_pass_unchanged_and_an_interruption_is_no_error(self) -> None:
        own = errors.NameTaken("ya está")
        with pytest.raises(errors.NameTaken) as told, translated("La nube"):
            raise own
        assert told.value is own
        with pytest.raises(KeyboardInterrupt), translated("La nube"):
            raise KeyboardInterrupt

    def test_the_code_is_found_behind_the_translation(self) -> None:
        with pytest.raises(errors.ExitNodeError) as told, translated("La nube"):
            raise BaseHTTPError(400, "DependencyViolation: in use")
        assert code_of(told.value) == "DependencyViolation"


class TestCredentials:
    """They come from the environment and the provider's own file, and never show."""

    def test_the_environment_goes_before_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / "credentials"
        file.write_text("[default]\naws_access_key_id = DEL-ARCHIVO\naws_secret_access_key = x%y\n")
        environ = {"AWS_SHARED_CREDENTIALS_FILE": str(file)}
        found = read_aws_credentials(environ)
        assert (found.key_id, found.secret_key.reveal()) == ("DEL-ARCHIVO", "x%y")
        found = read_aws_credentials({**environ, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})
        assert found.key_id == "a"
        assert "b" not in repr(found.secret_key)

    def test_a_profile_is_chosen_by_its_name(self, tmp_path: Path) -> None:
        file = tmp_path / "credentials"
        file.write_text("[curso]\naws_access_key_id=c\naws_secret_access_key=d\naws_session_token=e\n")
        environ = {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_PROFILE": "curso"}
        token = read_aws_credentials(environ).session_token
        assert token is not None
        assert token.reveal() == "e"
        with pytest.raises(errors.NotLoggedIn, match="default"):
            read_aws_credentials({"AWS_SHARED_CREDENTIALS_FILE": str(file)})

    @pytest.mark.parametrize("text", ["sin secciones\n", "[default\n", "\x00\xff"])
    def test_a_damaged_file_is_named(self, tmp_path: Path, text: str) -> None:
        file = tmp_path / "credentials"
        file.write_bytes(text.encode("latin-1"))
        with pytest.raises(errors.NotLoggedIn, match="credentials"):
            read_aws_credentials({"AWS_SHARED_CREDENTIALS_FILE": str(file)})

    def test_half_a_pair_is_told(self) -> None:
        with pytest.raises(errors.NotLoggedIn, match="AWS_SECRET_ACCESS_KEY"):
            read_aws_credentials({"AWS_ACCESS_KEY_ID": "a"})


class TestUserData:
    """What cloud-init reads: both keys, no secret of the tunnel, and the end of the machine."""

    @pytest.fixture
    def order(self, tmp_path: Path) -> Order:
        ranges = ("203.0.113.0/24", "198.51.100.7/32")
        return Order("linode", "nodo-ana", tmp_path, source_ranges=ranges, tcp_ports=(5432,))

    def config(self, order: Order, *, own_firewall: bool) -> dict[str, Any]:
        moment = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
        text = render_user_data(order, make_keys(order.folder), moment, own_firewall=own_firewall)
        assert len(text.encode()) < MAX_BYTES / 2
        head, _, body = text.partition("\n")
        assert head == "#cloud-config"
        found: dict[str, Any] = json.loads(body)
        return found

    def file(self, config: dict[str, Any], path: str) -> str:
        return next(str(entry["content"]) for entry in config["write_files"] if entry["path"] == path)

    def test_it_brings_the_keys_and_turns_passwords_off(self, order: Order) -> None:
        config = self.config(order, own_firewall=False)
        keys = load_keys(order.folder)
        assert keys is not None
        assert config["users"][0]["ssh_authorized_keys"] == [keys.login_public]
        assert config["ssh_keys"]["ed25519_public"] == keys.first_host_public
        assert config["ssh_keys"]["ed25519_private"] == keys.first_host_private
        assert keys.login_file.read_text() not in json.dumps(config)
        assert (config["ssh_pwauth"], config["disable_root"]) == (False, True)

    def test_the_machine_turns_itself_off_at_its_hour_even_after_a_restart(self, order: Order) -> None:
        timer = self.file(self.config(order, own_firewall=False), "/etc/systemd/system/tunelab-vence.timer")
        assert "OnCalendar=2026-11-21 09:30:00 UTC\n" in timer
        assert "Persistent=true\n" in timer

    def test_a_machine_without_a_providers_firewall_keeps_its_own(self, order: Order) -> None:
        rules = self.file(self.config(order, own_firewall=True), "/etc/nftables.conf")
        assert "policy drop" in rules
        assert (
            "ip saddr { 203.0.113.0/24, 198.51.100.7/32 } tcp dport { 22, 5432, 8000, 8123 } accept" in rules
        )

    @pytest.mark.skipif(sys.platform != "linux", reason="nftables is Linux's")
    def test_nftables_takes_the_rules(self, order: Order, tmp_path: Path) -> None:
        nft = require_program("nft", "Debian: nftables")
        unshare = require_program("unshare", "Debian: util-linux")
        file = tmp_path / "nftables.conf"
        file.write_text(self.file(self.config(order, own_firewall=True), "/etc/nftables.conf"))
        # In a network namespace of its own: this computer's rules are not touched, not even to check.
        ended = subprocess.run(
            [unshare, "--user", "--map-root-user", "--net", nft, "--check", "--file", file],
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr

    def test_what_does_not_fit_is_refused_with_what_to_do(self, tmp_path: Path) -> None:
        ranges = tuple(f"203.0.{number // 256}.{number % 256}/32" for number in range(1200))
        order = Order("linode", "nodo-ana", tmp_path, source_ranges=ranges)
        with pytest.raises(errors.ProviderFailed, match="--source-ranges"):
            render_user_data(order, make_keys(tmp_path), datetime.now(UTC), own_firewall=True)


def test_ipv6_ranges_and_what_is_no_range_are_refused(tmp_path: Path) -> None:
    for text in ("2001:db8::/32", "en casa"):
        with pytest.raises(errors.BadOrder, match=text):
            LinodeProvider().settle(Order("linode", "nodo-ana", tmp_path, source_ranges=(text,)))


def test_every_price_that_a_cloud_names_is_in_the_table() -> None:
    for cloud in (Ec2, DigitalOcean, Linode, Vultr):
        assert cloud.prices
        for key in cloud.prices:
            assert prices.price_of(key).source.startswith("https://")


def test_the_notes_promise_nothing_free_and_say_what_was_never_tried(tmp_path: Path) -> None:
    for provider_class in PROVIDERS:
        notes = " ".join(provider_class().notes(order_of(provider_class(), tmp_path)))
        assert "sigue cobrando una máquina apagada" in notes
        assert "nunca contra la nube real" in notes
        assert "gratis" not in notes


def test_without_libcloud_it_is_told_how_to_install_it_and_nothing_else_suffers(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['libcloud'] = None\n"
        "from tunnel.cli import main\n"
        "assert main(['exit-node', 'list', '--provider', 'local']) == 0\n"
        "sys.exit(main(['exit-node', 'create', '--provider', 'ec2', '--plan']))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        encoding="utf-8",
        env={"XDG_STATE_HOME": str(tmp_path)},
    )
    assert ended.returncode == 3, ended.stderr
    assert "tunelab[nube]" in ended.stderr
    assert "Traceback" not in ended.stderr
