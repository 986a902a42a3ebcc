"""The provider's own client walks through the life of three instances, and looks at each step at what it got.

    client_walk.py URL PROJECT ZONES [FULL_ZONE]

URL is that of a server in place of https://compute.googleapis.com, ZONES at least two of its zones, with commas, and
FULL_ZONE one that has no instance to give. Prints a line for each step. Ends with 0 if all steps went as on Compute Engine,
else with 1 and what did not on standard error.
"""

import sys
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1
from requests import RequestException

# Seconds for one request, and for one operation.
REQUEST = 20
OPERATION = 40
IMAGE = "projects/debian-cloud/global/images/family/debian-12"


def expect(holds: bool, words: str) -> None:
    if not holds:
        raise AssertionError(words)


def expect_error(kind: type[exceptions.GoogleAPICallError], reason: str, call: Callable[[], Any]) -> None:
    """That it fails, with this exception of the client and this reason in the first of its errors."""
    try:
        call()
    except kind as error:
        reasons = [inner.get("reason") for inner in error.errors]
        expect(reasons == [reason], f"{kind.__name__} has the reasons {reasons}, not {[reason]}")
        return
    raise AssertionError(f"there was no {kind.__name__}")


class Walk:
    def __init__(self, url: str, project: str, zones: list[str], full_zone: str | None) -> None:
        def client(kind: Any) -> Any:
            # The client's own way to a server without TLS is the scheme of its transport.
            scheme, _, host = url.rstrip("/").partition("://")
            transport = kind.get_transport_class("rest")
            credentials = AnonymousCredentials()
            return kind(transport=transport(host=host, url_scheme=scheme, credentials=credentials))

        self.instances = client(compute_v1.InstancesClient)
        self.operations = client(compute_v1.ZoneOperationsClient)
        # What an insert gives back asks after its operation with a client of its own, which would go to the real service.
        self.instances.transport._extended_operations_services["zone_operations"] = self.operations
        self.machine_types = client(compute_v1.MachineTypesClient)
        self.zones_client = client(compute_v1.ZonesClient)
        self.project, self.zones, self.full_zone = project, zones, full_zone
        # No other run's instances are found by its label.
        self.run = f"walk-{uuid.uuid4().hex[:8]}"
        self.filter = f"labels.run={self.run}"
        self.places = {f"{self.run}-{n}": self.zones[n % 2] for n in (1, 2, 3)}
        self.machine_type = ""

    def at(self, name: str) -> dict[str, Any]:
        return {"project": self.project, "zone": self.places[name], "instance": name}

    def get(self, name: str) -> compute_v1.Instance:
        return self.instances.get(**self.at(name), timeout=REQUEST)

    def wait(self, zone: str, operation: Any) -> compute_v1.Operation:
        """The operation when it is done; the service waits for two minutes at most in one request."""
        done = self.operations.wait(project=self.project, zone=zone, operation=operation.name, timeout=OPERATION)
        expect(done.status == compute_v1.Operation.Status.DONE, f"{operation.name} is not done after a wait")
        expect(done.progress == 100, f"{operation.name} is done, with a progress of {done.progress}")
        return done

    def succeed(self, zone: str, operation: Any) -> compute_v1.Operation:
        done = self.wait(zone, operation)
        expect(not done.error.errors, f"{done.name} has failed: {[error.code for error in done.error.errors]}")
        return done

    def resource(self, name: str) -> compute_v1.Instance:
        number = name.rpartition("-")[2]
        zone = self.places[name]
        instance = compute_v1.Instance(
            name=name,
            machine_type=f"zones/{zone}/machineTypes/{self.machine_type}",
            labels={"run": self.run, "number": number},
            metadata=compute_v1.Metadata(items=[compute_v1.Items(key="startup-script", value="#!/bin/sh\n")]),
            tags=compute_v1.Tags(items=["worker", "walk"]),
            disks=[
                compute_v1.AttachedDisk(
                    boot=True,
                    auto_delete=True,
                    initialize_params=compute_v1.AttachedDiskInitializeParams(
                        source_image=IMAGE, disk_size_gb=20, disk_type=f"zones/{zone}/diskTypes/pd-balanced"
                    ),
                )
            ],
            network_interfaces=[
                compute_v1.NetworkInterface(
                    network="global/networks/default",
                    access_configs=[compute_v1.AccessConfig(name="External NAT", type_="ONE_TO_ONE_NAT")],
                )
            ],
        )
        if number == "3":
            instance.scheduling = compute_v1.Scheduling(
                provisioning_model="SPOT", instance_termination_action="DELETE", automatic_restart=False
            )
        return instance

    def insert(self, name: str, request_id: str) -> Any:
        request = compute_v1.InsertInstanceRequest(
            project=self.project,
            zone=self.places[name],
            instance_resource=self.resource(name),
            request_id=request_id,
        )
        return self.instances.insert(request, timeout=REQUEST)

    def listed(self, zone: str, **more: Any) -> list[compute_v1.Instance]:
        request = compute_v1.ListInstancesRequest(project=self.project, zone=zone, filter=self.filter, **more)
        return list(self.instances.list(request, timeout=REQUEST))

    def listed_everywhere(self, filter: str, **more: Any) -> list[tuple[str, str]]:
        """Scope and name of each."""
        request = compute_v1.AggregatedListInstancesRequest(project=self.project, filter=filter, **more)
        scopes = self.instances.aggregated_list(request, timeout=REQUEST)
        return sorted((scope, instance.name) for scope, part in scopes for instance in part.instances)

    # The steps, in their order. Each says what it has seen.

    def zones_are_listed(self) -> str:
        found = {zone.name: zone for zone in self.zones_client.list(project=self.project, timeout=REQUEST)}
        expect(found.keys() >= set(self.zones), f"lacks zones: {set(self.zones) - found.keys()}")
        for zone in self.zones:
            expect(found[zone].status == "UP", f"{zone} is {found[zone].status}")
        return f"{len(found)} zones"

    def machine_types_are_listed(self) -> str:
        names: dict[str, set[str]] = {}
        for zone in self.zones:
            request = compute_v1.ListMachineTypesRequest(project=self.project, zone=zone, max_results=2)
            types = list(self.machine_types.list(request, timeout=REQUEST))
            names[zone] = {kind.name for kind in types}
            expect(len(names[zone]) == len(types), f"{zone}: a machine type is listed twice")
            expect(all(kind.guest_cpus > 0 and kind.memory_mb > 0 for kind in types), "a machine type is without size")
            expect(all(kind.zone == zone for kind in types), "a machine type's zone is not its plain name")
        everywhere = set.intersection(*names.values())
        expect(bool(everywhere), "no machine type is in all zones")
        self.machine_type = min(everywhere)
        one = self.machine_types.get(
            project=self.project, zone=self.zones[0], machine_type=self.machine_type, timeout=REQUEST
        )
        expect(one.name == self.machine_type, f"asked for {self.machine_type}, got {one.name}")
        wrong = {"project": self.project, "zone": self.zones[0], "machine_type": "of-nowhere"}
        expect_error(exceptions.NotFound, "notFound", lambda: self.machine_types.get(**wrong, timeout=REQUEST))
        return f"{len(everywhere)} machine types in all zones"

    def instances_are_created(self) -> str:
        self.request_ids = {name: str(uuid.uuid4()) for name in self.places}
        self.inserts = {}
        for name, request_id in self.request_ids.items():
            operation = self.insert(name, request_id)
            expect(operation.name.startswith("operation-"), f"an operation has the name {operation.name}")
            self.inserts[name] = operation
        first, *others = self.inserts
        # The client's own waiting, which asks again and again, and that by the service.
        self.inserts[first].result(timeout=OPERATION)
        for name in others:
            done = self.succeed(self.places[name], self.inserts[name])
            expect(done.operation_type == "insert", f"the operation is of type {done.operation_type}")
            expect(done.target_link.endswith(f"/zones/{self.places[name]}/instances/{name}"), "wrong targetLink")
        return ", ".join(f"{name} in {zone}" for name, zone in self.places.items())

    def instances_are_what_was_asked_for(self) -> str:
        self.ids = {}
        for name, zone in self.places.items():
            instance = self.get(name)
            self.ids[name] = instance.id
            expect(instance.name == name, f"asked for {name}, got {instance.name}")
            expect(instance.status in ("PROVISIONING", "STAGING", "RUNNING"), f"{name} is {instance.status}")
            expect(instance.zone.endswith(f"/projects/{self.project}/zones/{zone}"), f"zone: {instance.zone}")
            expect(
                instance.machine_type.endswith(f"/zones/{zone}/machineTypes/{self.machine_type}"), "wrong machineType"
            )
            expect(instance.self_link.endswith(f"/zones/{zone}/instances/{name}"), f"selfLink: {instance.self_link}")
            expect(dict(instance.labels) == {"run": self.run, "number": name[-1]}, f"labels: {instance.labels}")
            expect(sorted(instance.tags.items) == ["walk", "worker"], f"tags: {instance.tags.items}")
            expect([item.key for item in instance.metadata.items] == ["startup-script"], "wrong metadata")
            for part in ("label_fingerprint", "tags.fingerprint", "metadata.fingerprint"):
                value: Any = instance
                for field in part.split("."):
                    value = getattr(value, field)
                expect(bool(value), f"{name} lacks {part}")
            disk, interface = instance.disks[0], instance.network_interfaces[0]
            expect(disk.boot and disk.auto_delete and bool(disk.source), f"{name} has no boot disk")
            expect(not disk.initialize_params, f"{name}: initializeParams are not sent back")
            expect(bool(interface.network_i_p), f"{name} has no address")
            model = "SPOT" if name.endswith("3") else "STANDARD"
            expect(instance.scheduling.provisioning_model == model, f"{name} is not {model}")
            expect(instance.scheduling.preemptible == (model == "SPOT"), f"{name}: wrong preemptible")
        expect(len(set(self.ids.values())) == 3 and all(self.ids.values()), "the ids are not of one each")
        name = next(iter(self.ids))
        by_id = self.instances.get(**self.at(name) | {"instance": str(self.ids[name])}, timeout=REQUEST)
        expect(by_id.name == name, "an instance is not found by its id")
        return "name, zone, machine type, labels, tags, metadata, disk, address, provisioning model"

    def lists_are_filtered_and_paged(self) -> str:
        for zone in self.zones:
            wanted = sorted(name for name, place in self.places.items() if place == zone)
            for more in ({}, {"max_results": 1}):
                found = [instance.name for instance in self.listed(zone, **more)]
                expect(found == wanted, f"the list of {zone} with {more} has {found}, not {wanted}")
        everywhere = sorted((f"zones/{zone}", name) for name, zone in self.places.items())
        for more in ({}, {"max_results": 1}, {"max_results": 2}):
            places = self.listed_everywhere(self.filter, **more)
            expect(places == everywhere, f"the list of all zones with {more} has {places}, not {everywhere}")
        both = f'(labels.run = "{self.run}") AND (labels.number = "2")'
        expect(len(self.listed_everywhere(both)) == 1, f"{both} does not give one instance")
        none = "labels.run=of-nowhere"
        expect(self.listed_everywhere(none) == [], f"{none} gives something")
        return "by zone and everywhere, in pages of all, 1 and 2"

    def labels_are_set_by_fingerprint(self) -> str:
        name = next(iter(self.places))
        old = self.get(name)

        def set_labels(fingerprint: str) -> Any:
            request = compute_v1.InstancesSetLabelsRequest(
                labels=dict(old.labels) | {"state": "taken"}, label_fingerprint=fingerprint
            )
            return self.instances.set_labels(
                **self.at(name), instances_set_labels_request_resource=request, timeout=REQUEST
            )

        self.succeed(self.places[name], set_labels(old.label_fingerprint))
        new = self.get(name)
        expect(new.labels.get("state") == "taken", "the label is not there")
        expect(new.label_fingerprint != old.label_fingerprint, "the fingerprint is the old one")
        expect_error(exceptions.PreconditionFailed, "conditionNotMet", lambda: set_labels(old.label_fingerprint))
        both = f'(labels.run = "{self.run}") AND (labels.state = "taken")'
        expect(len(self.listed_everywhere(both)) == 1, "the new label is not found by a filter")
        return "once, and not with the old fingerprint"

    def metadata_is_set_by_fingerprint(self) -> str:
        name = next(iter(self.places))
        old = self.get(name).metadata

        def set_metadata() -> Any:
            items = [compute_v1.Items(key="state", value="1"), *old.items]
            metadata = compute_v1.Metadata(items=items, fingerprint=old.fingerprint)
            return self.instances.set_metadata(**self.at(name), metadata_resource=metadata, timeout=REQUEST)

        self.succeed(self.places[name], set_metadata())
        new = self.get(name).metadata
        expect(sorted(item.key for item in new.items) == ["startup-script", "state"], "wrong metadata")
        expect(new.fingerprint != old.fingerprint, "the fingerprint is the old one")
        expect_error(exceptions.PreconditionFailed, "conditionNotMet", set_metadata)
        return "once, and not with the old fingerprint"

    def repeated_inserts_make_nothing(self) -> str:
        name = next(iter(self.places))
        zone = self.places[name]
        again = self.insert(name, self.request_ids[name])
        done = self.succeed(zone, again)
        expect(done.target_id == self.ids[name], "the same request id is another instance")
        expect_error(exceptions.Conflict, "alreadyExists", lambda: self.insert(name, str(uuid.uuid4())))
        expect(len(self.listed_everywhere(self.filter)) == 3, "there are not three instances any more")
        return "the same request id: the same instance; another one: Conflict"

    def failed_operations_say_why(self) -> str:
        if self.full_zone is None:
            return "nobody said where"
        name = f"{self.run}-4"
        self.places[name] = self.full_zone
        # The call is accepted: it is the operation that fails.
        operation = self.insert(name, str(uuid.uuid4()))
        done = self.wait(self.full_zone, operation)
        codes = [error.code for error in done.error.errors]
        expect(len(codes) == 1 and codes[0].startswith("ZONE_RESOURCE_POOL_EXHAUSTED"), f"its errors are {codes}")
        expect(bool(done.error.errors[0].message), "its error has no message")
        expect(done.http_error_status_code >= 400, f"its status is {done.http_error_status_code}")
        expect(bool(done.http_error_message), "its status has no message")
        try:
            operation.result(timeout=OPERATION)
            raise AssertionError("the client takes it for a success")
        except exceptions.GoogleAPICallError as error:
            expect(error.code == done.http_error_status_code, f"the client takes it for {error.code}")
        expect_error(exceptions.NotFound, "notFound", lambda: self.get(name))
        del self.places[name]
        return f"{codes[0]}, status {done.http_error_status_code}"

    def missing_ones_are_not_found(self) -> str:
        missing = {"project": self.project, "zone": self.zones[0], "instance": "of-nowhere"}
        operation = {"project": self.project, "zone": self.zones[0], "operation": "operation-of-nowhere"}
        calls: list[Callable[[], Any]] = [
            lambda: self.instances.get(**missing, timeout=REQUEST),
            lambda: self.instances.delete(**missing, timeout=REQUEST),
            lambda: self.operations.get(**operation, timeout=REQUEST),
            lambda: self.operations.wait(**operation, timeout=REQUEST),
        ]
        for call in calls:
            expect_error(exceptions.NotFound, "notFound", call)
        return "instance and operation"

    def instances_are_deleted(self) -> str:
        deletes = {name: self.instances.delete(**self.at(name), timeout=REQUEST) for name in self.places}
        for name, operation in deletes.items():
            done = self.succeed(self.places[name], operation)
            expect(done.operation_type == "delete", f"the operation is of type {done.operation_type}")
            expect(done.target_id == self.ids[name], "the operation is on another instance")
            expect_error(exceptions.NotFound, "notFound", partial(self.get, name))
        expect(self.listed_everywhere(self.filter) == [], "they are still listed")
        expect(all(self.listed(zone) == [] for zone in self.zones), "they are still listed in their zones")
        return "and gone from get, list and aggregated list"


STEPS = [
    Walk.zones_are_listed,
    Walk.machine_types_are_listed,
    Walk.instances_are_created,
    Walk.instances_are_what_was_asked_for,
    Walk.lists_are_filtered_and_paged,
    Walk.labels_are_set_by_fingerprint,
    Walk.metadata_is_set_by_fingerprint,
    Walk.repeated_inserts_make_nothing,
    Walk.failed_operations_say_why,
    Walk.missing_ones_are_not_found,
    Walk.instances_are_deleted,
]


def main() -> int:
    url, project, zones, *rest = sys.argv[1:]
    walk = Walk(url, project, zones.split(","), rest[0] if rest else None)
    for step in STEPS:
        words = step.__name__.replace("_", " ")
        try:
            print(f"{words}: {step(walk)}", flush=True)
        except (AssertionError, exceptions.GoogleAPIError, RequestException) as error:
            print(f"{words}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
