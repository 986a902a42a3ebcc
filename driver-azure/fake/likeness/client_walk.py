"""The provider's own client walks through the life of three machines, and looks at each step at what it got.

    client_walk.py URL SUBSCRIPTION GROUP LOCATION SUBNET TENANT CLIENT_ID SECRET [FAILURE]

URL is that of a server in place of https://management.azure.com and of https://login.microsoftonline.com, which has nothing
in the resource group yet. SUBNET is a subnet's ID. FAILURE is the code with which the operation of the first machine fails;
without one it does not. Prints a line for each step. Ends with 0 if all steps went as on Azure, else with 1 and what did not
on standard error.
"""

import base64
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute.v2024_07_01 import models
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy
from azure.mgmt.network import NetworkManagementClient

# Seconds for one request, and for one operation.
REQUEST = 20
OPERATION = 40
SCOPE = "https://management.azure.com/.default"
IMAGE = models.ImageReference(publisher="Debian", offer="debian-12", sku="12-gen2", version="latest")
SIZE = "Standard_D2s_v3"
# A key that nobody has the other half of.
SSH_KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)).decode()


def expect(holds: bool, words: str) -> None:
    if not holds:
        raise AssertionError(words)


def expect_error(status: int, code: str, call: Callable[[], Any]) -> None:
    """That it fails, with this status and this code."""
    try:
        call()
    except HttpResponseError as error:
        found = (error.status_code, error.error.code if error.error else None)
        expect(found == (status, code), f"it fails with {found}, not {(status, code)}")
        expect(status != 404 or isinstance(error, ResourceNotFoundError), "the client does not take it for missing")
        return
    raise AssertionError(f"there was no {code}")


def last(identity: str) -> str:
    return identity.rpartition("/")[2]


class Credential:
    """Signs in with the secret of an application."""

    def __init__(self, url: str, tenant: str, client: str, secret: str) -> None:
        self.url, self.client, self.secret = f"{url}/{tenant}/oauth2/v2.0/token", client, secret

    def answer(self, scope: str, secret: str) -> Any:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client,
            "client_secret": secret,
            "scope": scope,
        }
        with urllib.request.urlopen(self.url, urlencode(form).encode(), timeout=REQUEST) as response:
            return json.load(response)

    def get_token(self, *scopes: str, **_kwargs: Any) -> AccessToken:
        answer = self.answer(scopes[0], self.secret)
        return AccessToken(answer["access_token"], int(time.time()) + answer["expires_in"])


class WithoutTls(ARMChallengeAuthenticationPolicy):
    """The client's own policy, which sends a token over plain HTTP only if each request says that it may."""

    def on_request(self, request: Any) -> None:
        request.context.options["enforce_https"] = False
        super().on_request(request)


class Walk:
    def __init__(self, arguments: list[str]) -> None:
        url, subscription, self.group, self.location, self.subnet, *application = arguments[:8]
        self.failure = arguments[8] if arguments[8:] else None
        self.credential = Credential(url, *application)
        more: dict[str, Any] = {
            "base_url": url,
            "authentication_policy": WithoutTls(self.credential, SCOPE),
            "polling_interval": 0.05,
            "retry_total": 0,
            "connection_timeout": REQUEST,
            "read_timeout": REQUEST,
        }
        self.compute = ComputeManagementClient(self.credential, subscription, **more)
        self.network = NetworkManagementClient(self.credential, subscription, **more)
        self.machines = self.compute.virtual_machines
        # No other run's machines are taken for this one's.
        self.run = f"walk-{uuid.uuid4().hex[:8]}"
        # The third is without a zone.
        self.zones = {f"{self.run}-1": ["1"], f"{self.run}-2": ["2"], f"{self.run}-3": None}
        self.names = list(self.zones)

    def result(self, poller: Any) -> Any:
        poller.wait(OPERATION)
        expect(poller.done(), "an operation is not done in time")
        return poller.result()

    def get(self, name: str, **more: Any) -> Any:
        return self.machines.get(self.group, name, **more)

    def power(self, name: str) -> str | None:
        view = self.machines.instance_view(self.group, name)
        codes = [status.code for status in view.statuses]
        return next((code for code in codes if code.startswith("PowerState/")), None)

    def resource(self, name: str) -> Any:
        number = last(name).rpartition("-")[2]
        interface = models.VirtualMachineNetworkInterfaceConfiguration(
            name=f"{name}-nic",
            primary=True,
            delete_option="Delete",
            ip_configurations=[
                models.VirtualMachineNetworkInterfaceIPConfiguration(
                    name="ip", primary=True, subnet=models.SubResource(id=self.subnet)
                )
            ],
        )
        storage = models.StorageProfile(
            image_reference=IMAGE,
            os_disk=models.OSDisk(
                create_option="FromImage",
                delete_option="Delete",
                caching="ReadWrite",
                disk_size_gb=64,
                managed_disk=models.ManagedDiskParameters(storage_account_type="Premium_LRS"),
            ),
        )
        if number == "2":
            storage.data_disks = [
                models.DataDisk(lun=0, name=f"{name}-data", create_option="Empty", disk_size_gb=16, delete_option="Detach")
            ]
        keys = [models.SshPublicKey(path="/home/worker/.ssh/authorized_keys", key_data=SSH_KEY)]
        machine = models.VirtualMachine(
            location=self.location,
            zones=self.zones.get(name),
            tags={"run": self.run, "number": number},
            hardware_profile=models.HardwareProfile(vm_size=SIZE),
            storage_profile=storage,
            os_profile=models.OSProfile(
                computer_name=name,
                admin_username="worker",
                custom_data=base64.b64encode(b"#!/bin/sh\n").decode(),
                linux_configuration=models.LinuxConfiguration(
                    disable_password_authentication=True, ssh=models.SshConfiguration(public_keys=keys)
                ),
            ),
            network_profile=models.NetworkProfile(
                network_api_version="2020-11-01", network_interface_configurations=[interface]
            ),
        )
        if number == "3":
            machine.priority, machine.eviction_policy = "Spot", "Delete"
            machine.billing_profile = models.BillingProfile(max_price=-1)
        return machine

    def create(self, name: str) -> Any:
        return self.machines.begin_create_or_update(self.group, name, self.resource(name))

    # The steps, in their order. Each says what it has seen.

    def a_token_is_given_for_the_secret(self) -> str:
        answer = self.credential.answer(SCOPE, self.credential.secret)
        expect(answer["token_type"] == "Bearer" and answer["expires_in"] > 0, "it is no token")
        try:
            self.credential.answer(SCOPE, "of-nobody")
            raise AssertionError("there is one for any secret")
        except urllib.error.HTTPError as error:
            code = json.load(error)["error"]
            expect((error.code, code) == (401, "invalid_client"), f"another secret gives {error.code}, {code}")
        return f"for {answer['expires_in']} s"

    def failed_operations_say_why(self) -> str:
        if self.failure is None:
            return "nobody said that one fails"
        name = f"{self.run}-4"
        # The call is accepted: it is the operation that fails.
        poller = self.create(name)
        try:
            self.result(poller)
            raise AssertionError("the client takes it for a success")
        except HttpResponseError as error:
            said = error.error
            code = said.code if said else None
            expect(code == self.failure, f"its code is {code}")
            expect(bool(said and said.message), "its error has no message")
        # The machine is there all the same, until somebody deletes it.
        expect(self.get(name).provisioning_state == "Failed", "the machine is not Failed")
        self.result(self.machines.begin_delete(self.group, name))
        expect_error(404, "ResourceNotFound", lambda: self.get(name))
        return f"{code}, and the machine stays"

    def machines_are_created(self) -> str:
        self.pollers = {name: self.create(name) for name in self.names}
        for name, poller in self.pollers.items():
            machine = self.result(poller)
            expect(machine.name == name and machine.provisioning_state == "Succeeded", f"{name} is not what is made")
        return ", ".join(f"{name} in {(zones or ['no zone'])[0]}" for name, zones in self.zones.items())

    def machines_are_what_was_asked_for(self) -> str:
        self.made = {name: self.get(name) for name in self.names}
        for name, machine in self.made.items():
            number = name[-1]
            expect(machine.name == name, f"asked for {name}, got {machine.name}")
            expect(machine.type == "Microsoft.Compute/virtualMachines", f"type: {machine.type}")
            expect(machine.id.endswith(f"/{self.group}/providers/{machine.type}/{name}"), f"id: {machine.id}")
            expect(machine.location == self.location, f"location: {machine.location}")
            expect(machine.zones == self.zones[name], f"zones: {machine.zones}")
            expect(machine.tags == {"run": self.run, "number": number}, f"tags: {machine.tags}")
            expect(machine.hardware_profile.vm_size == SIZE, f"size: {machine.hardware_profile.vm_size}")
            expect(machine.time_created is not None, f"{name} has no time")
            expect(machine.instance_view is None, f"{name}: the instance view is not asked for")
            profile, storage = machine.os_profile, machine.storage_profile
            expect(profile.computer_name == name and profile.admin_username == "worker", "wrong osProfile")
            expect(profile.custom_data is None, f"{name}: customData are not sent back")
            expect(profile.linux_configuration.ssh.public_keys[0].key_data == SSH_KEY, "wrong SSH key")
            image = storage.image_reference
            expect((image.offer, image.version) == (IMAGE.offer, "latest"), f"image: {image}")
            expect(bool(image.exact_version), f"{name}: latest is no exact version")
            expect(storage.os_disk.disk_size_gb == 64 and storage.os_disk.os_type == "Linux", "wrong disk")
            expect(bool(storage.os_disk.name and storage.os_disk.managed_disk.id), f"{name} has no boot disk")
            expect(len(storage.data_disks) == (number == "2"), f"{name}: wrong data disks")
            expect(not machine.network_profile.network_interface_configurations, "no interface is made of its configuration")
            expect(len(machine.network_profile.network_interfaces) == 1, f"{name} has not one interface")
            wanted = ("Spot", "Delete", -1.0) if number == "3" else (None, None, None)
            price = machine.billing_profile.max_price if machine.billing_profile else None
            found = (machine.priority, machine.eviction_policy, price)
            expect(found == wanted, f"{name}: priority, eviction policy and price are {found}")
        ids = {machine.vm_id for machine in self.made.values()}
        expect(len(ids) == 3 and all(ids), "the ids are not of one each")
        return "name, zone, size, tags, image, disks, interface, priority"

    def machines_run(self) -> str:
        for name in self.names:
            codes = {status.code for status in self.get(name, expand="instanceView").instance_view.statuses}
            wanted = {"ProvisioningState/succeeded", "PowerState/running"}
            expect(codes >= wanted, f"{name} has the statuses {codes}")
        return "by the instance view"

    def lists_are_paged(self) -> str:
        pages = [[machine.name for machine in page] for page in self.machines.list(self.group).by_page()]
        found = sorted(name for page in pages for name in page)
        expect(found == self.names, f"the group's list has {found}, not {self.names}")
        for more in ({}, {"status_only": "true"}):
            machines = [machine for machine in self.machines.list_all(**more) if machine.name in self.names]
            found = sorted(machine.name for machine in machines)
            expect(found == self.names, f"the subscription's list with {more} has {found}")
            shown = {machine.instance_view is not None for machine in machines}
            expect(shown == {bool(more)}, f"the list with {more} has an instance view or has none")
        return f"{len(self.names)} in {len(pages)} pages"

    def interfaces_are_made_with_machines(self) -> str:
        listed = {interface.name: interface for interface in self.network.network_interfaces.list(self.group)}
        self.interfaces = {}
        for name, machine in self.made.items():
            identity = machine.network_profile.network_interfaces[0].id
            self.interfaces[name] = last(identity)
            expect(last(identity) in listed, f"{last(identity)} is not listed")
            interface: Any = self.network.network_interfaces.get(self.group, last(identity))
            expect(interface.id.lower() == identity.lower(), f"its id is {interface.id}")
            owner = interface.virtual_machine.id if interface.virtual_machine else "nobody"
            expect(owner.lower() == machine.id.lower(), f"it is of {owner}")
            configuration = interface.ip_configurations[0]
            expect(bool(configuration.private_ip_address), f"{name} has no address")
            expect(configuration.subnet.id.lower() == self.subnet.lower(), f"subnet: {configuration.subnet.id}")
            expect(interface.provisioning_state == "Succeeded", f"it is {interface.provisioning_state}")
        expect(len(listed) == 3, f"{len(listed)} interfaces are listed")
        return f"{len(listed)}, each with an address"

    def disks_are_made_with_machines(self) -> str:
        listed = {disk.name: disk for disk in self.compute.disks.list_by_resource_group(self.group)}
        for name, machine in self.made.items():
            storage = machine.storage_profile
            for part, size in [(storage.os_disk, 64), *((disk, 16) for disk in storage.data_disks)]:
                disk = listed.pop(part.name, None)
                expect(disk is not None, f"{part.name} is not listed")
                expect(disk.managed_by.lower() == machine.id.lower(), f"{disk.name} is of {disk.managed_by}")
                expect((disk.disk_size_gb, disk.disk_state) == (size, "Attached"), f"{disk.name} is not as asked for")
                expect(disk.zones == machine.zones, f"{disk.name} is in {disk.zones}")
                expect(self.compute.disks.get(self.group, disk.name).unique_id == disk.unique_id, "two disks in one")
        expect(not listed, f"there are other disks: {set(listed)}")
        return "of the size and in the zone"

    def tags_are_changed(self) -> str:
        name = self.names[0]
        tags = {"run": self.run, "state": "taken"}
        change = models.VirtualMachineUpdate(tags=tags)
        changed = self.result(self.machines.begin_update(self.group, name, change))
        expect(changed.tags == tags, f"the tags are {changed.tags}")
        expect(self.get(name).tags == tags, "they are others afterwards")
        expect(changed.vm_id == self.made[name].vm_id, "it is another machine")
        expect(changed.hardware_profile.vm_size == SIZE, "all else is gone")
        return "for others, as a whole"

    def repeated_calls_make_nothing(self) -> str:
        name = self.names[0]
        again = self.result(self.create(name))
        expect(again.vm_id == self.made[name].vm_id, "it is another machine")
        expect(again.time_created == self.made[name].time_created, "it is made anew")
        other = self.resource(name)
        other.os_profile.admin_username = "somebody"
        call = partial(self.machines.begin_create_or_update, self.group, name, other)
        expect_error(409, "PropertyChangeNotAllowed", call)
        expect(len(list(self.machines.list(self.group))) == 3, "there are not three machines any more")
        expect(len(list(self.network.network_interfaces.list(self.group))) == 3, "there are other interfaces")
        return "and change nothing that may not change"

    def machines_stop_and_start(self) -> str:
        name = self.names[0]
        steps = [
            (self.machines.begin_power_off, "PowerState/stopped"),
            (self.machines.begin_start, "PowerState/running"),
            (self.machines.begin_deallocate, "PowerState/deallocated"),
        ]
        for call, wanted in steps:
            self.result(call(self.group, name))
            expect(self.power(name) == wanted, f"it is {self.power(name)}, not {wanted}")
        return ", ".join(last(wanted) for _, wanted in steps)

    def missing_ones_are_not_found(self) -> str:
        for call in (
            lambda: self.get("of-nowhere"),
            lambda: self.machines.instance_view(self.group, "of-nowhere"),
            lambda: self.network.network_interfaces.get(self.group, "of-nowhere"),
            lambda: self.compute.disks.get(self.group, "of-nowhere"),
        ):
            expect_error(404, "ResourceNotFound", call)
        expect_error(404, "ResourceGroupNotFound", lambda: self.machines.get("of-nowhere", self.names[0]))
        # What is not there needs no deletion.
        self.result(self.machines.begin_delete(self.group, "of-nowhere"))
        return "machine, interface, disk and group"

    def machines_are_deleted_with_what_is_theirs(self) -> str:
        pollers = [self.machines.begin_delete(self.group, name) for name in self.names]
        for poller in pollers:
            self.result(poller)
        for name in self.names:
            expect_error(404, "ResourceNotFound", partial(self.get, name))
            interface = partial(self.network.network_interfaces.get, self.group, self.interfaces[name])
            expect_error(404, "ResourceNotFound", interface)
        expect(list(self.machines.list(self.group)) == [], "they are still listed")
        (kept,) = self.compute.disks.list_by_resource_group(self.group)
        expect(kept.name == f"{self.names[1]}-data", f"{kept.name} is kept")
        expect((kept.disk_state, kept.managed_by) == ("Unattached", None), f"it is {kept.disk_state}")
        self.result(self.compute.disks.begin_delete(self.group, kept.name))
        expect_error(404, "ResourceNotFound", lambda: self.compute.disks.get(self.group, kept.name))
        return "interfaces and disks, but for the one that stays"


STEPS = [
    Walk.a_token_is_given_for_the_secret,
    Walk.failed_operations_say_why,
    Walk.machines_are_created,
    Walk.machines_are_what_was_asked_for,
    Walk.machines_run,
    Walk.lists_are_paged,
    Walk.interfaces_are_made_with_machines,
    Walk.disks_are_made_with_machines,
    Walk.tags_are_changed,
    Walk.repeated_calls_make_nothing,
    Walk.machines_stop_and_start,
    Walk.missing_ones_are_not_found,
    Walk.machines_are_deleted_with_what_is_theirs,
]


def main() -> int:
    walk = Walk(sys.argv[1:])
    for step in STEPS:
        words = step.__name__.replace("_", " ")
        try:
            print(f"{words}: {step(walk)}", flush=True)
        except (AssertionError, AzureError, OSError) as error:
            print(f"{words}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
