//! From the call that makes a machine until nothing is left of it.

use crate::client::{
    Client, GROUP, address, disk, interface, machine, machine_action, public_worker, worker,
};
use serde_json::{Value, json};

#[test]
fn a_machine_is_there_before_its_operation_ends() {
    let client = Client::slow();
    let made = client.put_machine("Worker-1", &worker("Worker-1"));
    let operation = made.header("azure-asyncoperation").unwrap().to_owned();
    assert!(operation.starts_with(&client.fake.url()), "{operation}");
    assert_eq!(made.header("retry-after"), Some("0"));
    let made = made.is(201);
    assert_eq!(made["properties"]["provisioningState"], "Creating");
    assert_eq!(client.machine("worker-1"), made);
    let status = client.get(&operation).ok();
    assert_eq!(status["status"], "InProgress");
    assert!(status["startTime"].is_string() && status["endTime"].is_null());
    assert_eq!(client.get(&format!("{operation}&monitor=true")).status, 202);
    assert_eq!(client.power("worker-1"), "none");
    let id = made["id"].as_str().unwrap();
    assert!(id.ends_with("/resourceGroups/fake-group/providers/Microsoft.Compute/virtualMachines/Worker-1"));
}

#[test]
fn an_operation_ends_and_the_machine_runs() {
    let client = Client::new();
    let made = client.put_machine("worker", &worker("worker"));
    assert_eq!(client.end_of(&made)["status"], "Succeeded");
    let machine = client.machine("WORKER");
    assert_eq!(machine["name"], "worker");
    assert_eq!(machine["properties"]["provisioningState"], "Succeeded");
    assert!(machine["properties"]["instanceView"].is_null());
    assert_eq!(client.power("worker"), "running");
    let result = format!("{}&monitor=true", made.header("azure-asyncoperation").unwrap());
    assert_eq!(client.get(&result).ok(), machine);
    let expanded = client.get(&format!("{}&$expand=instanceView", crate::client::machine("worker"))).ok();
    let statuses = &expanded["properties"]["instanceView"]["statuses"];
    assert_eq!(statuses[0]["code"], "ProvisioningState/succeeded");
    assert_eq!(statuses[1]["code"], "PowerState/running");
    assert_eq!(statuses[1]["displayStatus"], "VM running");
}

#[test]
fn parts_are_made_with_the_machine_and_go_with_it() {
    let client = Client::new();
    let machine = client.made_of("worker", &public_worker("worker"));
    let id = machine["id"].clone();
    let made = client.get(&interface("worker-interface")).ok();
    let properties = &made["properties"];
    assert_eq!(properties["virtualMachine"]["id"], id);
    assert_eq!(machine["properties"]["networkProfile"]["networkInterfaces"][0]["id"], made["id"]);
    let configuration = &properties["ipConfigurations"][0]["properties"];
    assert_eq!(configuration["privateIPAddress"], "10.0.0.4");
    let public = client.get(&address("worker-address")).ok();
    assert_eq!(configuration["publicIPAddress"]["id"], public["id"]);
    assert!(public["properties"]["ipAddress"].as_str().unwrap().starts_with("20."));
    let expand = "$expand=ipConfigurations%2FpublicIPAddress";
    let expanded = client.get(&format!("{}&{expand}", interface("worker-interface"))).ok();
    let configuration = &expanded["properties"]["ipConfigurations"][0]["properties"];
    assert_eq!(
        configuration["publicIPAddress"]["properties"]["ipAddress"],
        public["properties"]["ipAddress"]
    );
    let made = client.get(&disk("worker-disk")).ok();
    assert_eq!(made["managedBy"], id);
    assert_eq!(made["properties"]["diskState"], "Attached");
    assert_eq!(made["properties"]["diskSizeGB"], 40);
    assert_eq!(made["sku"]["name"], "StandardSSD_LRS");
    // It has the machine's tags.
    assert_eq!(made["tags"], json!({ "pool": "blue" }));

    let deleted = client.delete_machine("worker");
    assert_eq!(deleted.status, 202);
    assert!(deleted.header("location").is_some());
    assert_eq!(client.end_of(&deleted)["status"], "Succeeded");
    assert_eq!(client.get(deleted.header("location").unwrap()).status, 204);
    for path in [
        crate::client::machine("worker"),
        interface("worker-interface"),
        disk("worker-disk"),
        address("worker-address"),
    ] {
        assert_eq!(client.get(&path).refused(404).0, "ResourceNotFound");
    }
    // The address is free again.
    client.made("next");
    let next = client.get(&interface("next-interface")).ok();
    let address = "/properties/ipConfigurations/0/properties/privateIPAddress";
    assert_eq!(next.pointer(address).unwrap(), "10.0.0.4");
}

#[test]
fn parts_that_are_not_to_go_stay_unused() {
    let client = Client::new();
    let mut body = public_worker("worker");
    let interfaces = "/properties/networkProfile/networkInterfaceConfigurations/0/properties";
    body.pointer_mut(interfaces).unwrap()["deleteOption"] = "Detach".into();
    body["properties"]["storageProfile"]["osDisk"]["deleteOption"] = Value::Null;
    body["properties"]["storageProfile"]["dataDisks"] = json!([
        { "lun": 0, "name": "kept", "createOption": "Empty", "diskSizeGB": 8, "deleteOption": "Detach" },
        { "lun": 3, "name": "gone", "createOption": "Empty", "diskSizeGB": 9, "deleteOption": "Delete" },
    ]);
    client.made_of("worker", &body);
    assert_eq!(client.get(&disk("gone")).ok()["properties"]["diskSizeGB"], 9);
    client.delete_machine("worker").is(202);
    client.fake.settle();
    let left = client.get(&interface("worker-interface")).ok();
    assert!(left["properties"]["virtualMachine"].is_null());
    for name in ["worker-disk", "kept"] {
        let left = client.get(&disk(name)).ok();
        assert!(left["managedBy"].is_null());
        assert_eq!(left["properties"]["diskState"], "Unattached");
    }
    client.get(&disk("gone")).refused(404);
    // The address goes with its interface, and not before.
    client.get(&address("worker-address")).ok();
    client.call("DELETE", &interface("worker-interface"), None).is(202);
    client.fake.settle();
    client.get(&address("worker-address")).refused(404);
}

#[test]
fn what_is_not_there_is_deleted_already() {
    let client = Client::new();
    for path in [machine("nobody"), disk("nobody"), interface("nobody"), address("nobody")] {
        assert_eq!(client.call("DELETE", &path, None).status, 204, "{path}");
    }
    let elsewhere = machine("nobody").replace(GROUP, "no-group");
    assert_eq!(client.call("DELETE", &elsewhere, None).refused(404).0, "ResourceGroupNotFound");
}

#[test]
fn a_machine_that_is_deleted_can_be_seen_until_it_is_gone_and_not_be_changed() {
    let client = Client::new();
    client.made("worker");
    client.fake.set_operation_time(std::time::Duration::from_secs(3600));
    client.delete_machine("worker").is(202);
    assert_eq!(client.machine("worker")["properties"]["provisioningState"], "Deleting");
    client.delete_machine("worker").is(202);
    for (method, path, body) in [
        ("POST", machine_action("worker", "start"), Value::Null),
        ("PATCH", machine("worker"), json!({ "tags": {} })),
        ("PUT", machine("worker"), worker("worker")),
    ] {
        let (code, message) = client.call(method, &path, Some(&body)).refused(409);
        assert_eq!(code, "OperationNotAllowed");
        assert!(message.contains("marked for deletion"), "{message}");
    }
}

#[test]
fn a_machine_that_is_deleted_while_it_is_made_does_not_run() {
    let client = Client::new();
    client.fake.set_operation_time(std::time::Duration::from_millis(300));
    let made = client.put_machine("worker", &worker("worker"));
    client.delete_machine("worker").is(202);
    let end = client.end_of(&made);
    assert_eq!(end["status"], "Canceled");
    assert_eq!(end["error"]["code"], "OperationPreempted");
    client.get(&machine("worker")).refused(404);
}

#[test]
fn machines_stop_and_start() {
    let client = Client::new();
    client.made("worker");
    for (action, power, state) in [
        ("deallocate", "deallocated", "Reserved"),
        ("start", "running", "Attached"),
        ("powerOff", "stopped", "Attached"),
        ("restart", "running", "Attached"),
    ] {
        let answer = client.call("POST", &machine_action("worker", action), None);
        assert_eq!(answer.status, 202);
        assert_eq!(client.end_of(&answer)["status"], "Succeeded");
        assert_eq!(client.get(answer.header("location").unwrap()).status, 204);
        assert_eq!(client.power("worker"), power);
        assert_eq!(client.get(&disk("worker-disk")).ok()["properties"]["diskState"], state);
    }
    client.call("POST", &machine_action("nobody", "start"), None).refused(404);
    assert!(client.fake.shut_down("worker"));
    client.fake.settle();
    assert_eq!(client.power("worker"), "stopped");
    assert!(client.fake.deallocate("worker"));
    client.fake.settle();
    assert_eq!(client.power("worker"), "deallocated");
    assert!(!client.fake.deallocate("nobody"));
}
