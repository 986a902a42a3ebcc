//! Configurations, good and bad.

use driver_gce::{AddressKind, GceConfig, GceCredentials, GceDriver};
use pool_api::{Driver, DriverContext, Effect, ErrorKind, InstanceSetId, Privilege, Tags};
use serde_json::{Value, json};
use std::time::Duration;

/// The smallest that will do, with these fields set or replaced.
fn with(fields: &Value) -> Value {
    let mut config = json!({
        "project": "my-project-1", "zones": ["europe-west1-b", "europe-west1-c"], "admin_user": "admin",
    });
    for (name, value) in fields.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    config
}

#[test]
fn bad_configurations_are_refused_with_the_path_of_the_field() {
    let many: serde_json::Map<String, Value> = (0..40).map(|n| (format!("l{n}"), json!("x"))).collect();
    let tags: Vec<String> = (0..65).map(|n| format!("tag{n}")).collect();
    let cases = [
        (json!({ "projct": "x" }), "projct", "unknown field"),
        (json!({ "project": "" }), "project", "id of a project"),
        (json!({ "project": "My Project" }), "project", "not its name"),
        (json!({ "zones": [] }), "zones", "at least one"),
        (json!({ "zones": ["europe-west1"] }), "zones[0]", "europe-west1-b"),
        (json!({ "zones": ["europe-west1-b", "europe-west1-b"] }), "zones[1]", "twice"),
        (json!({ "endpoint": "compute.example.com" }), "endpoint", "URL"),
        (json!({ "endpoint": "https://user:pw@example.com" }), "endpoint", "without a user"),
        (json!({ "endpoint": "http://example.com" }), "endpoint", "not sent over plain http"),
        (json!({ "credentials": "anonymous" }), "credentials", "test server"),
        (json!({ "network": "My Network" }), "network", "path"),
        (json!({ "subnetwork": "projects/p/" }), "subnetwork", "path"),
        (json!({ "network_tags": ["ok", "Not_ok"] }), "network_tags[1]", "lower-case"),
        (json!({ "network_tags": tags }), "network_tags", "64"),
        (json!({ "address": "public" }), "address", "external_address = true"),
        (json!({ "admin_user": "a b" }), "admin_user", "login name"),
        (json!({ "admin_user": "a:b" }), "admin_user", "login name"),
        (json!({ "admin_privilege": "doas" }), "admin_privilege", "sudo"),
        (json!({ "service_account": "me" }), "service_account", "e-mail"),
        (json!({ "service_account": "default", "scopes": [] }), "scopes", "without a scope"),
        (json!({ "scopes": ["compute"] }), "scopes[0]", "https://www.googleapis.com/auth/"),
        (json!({ "boot_disk_type": "pd-fast" }), "boot_disk_type", "pd-ssd"),
        (json!({ "scratch_disk_type": "local-ssd" }), "scratch_disk_type", "pd-ssd"),
        (json!({ "boot_disk_size": "1 GiB" }), "boot_disk_size", "10 GiB"),
        (json!({ "labels": { "Owner": "me" } }), "labels.Owner", "lower-case"),
        (json!({ "labels": { "owner": "Me" } }), "labels.owner", "value"),
        (json!({ "labels": { "pool-driver-gce-x": "me" } }), "labels.pool-driver-gce-x", "driver's own"),
        (json!({ "labels": many }), "labels", "32"),
        (json!({ "quota_groups": { "": "x" } }), "quota_groups.\"\"", "beginning"),
        (json!({ "quota_groups": { "n2": "" } }), "quota_groups.n2", "quota group"),
        (json!({ "page_size": 501 }), "page_size", "1 to 500"),
        (json!({ "call_timeout": "0s" }), "call_timeout", "more than zero"),
        (json!({ "operation_timeout": "0s" }), "operation_timeout", "more than zero"),
    ];
    for (fields, field, expected) in cases {
        let error = GceConfig::from_value(with(&fields)).unwrap_err();
        assert_eq!(error.field, field, "{fields}: {error}");
        assert!(error.problem.contains(expected), "{fields}: {error}");
    }
}

#[test]
fn what_is_required_is_named() {
    for field in ["project", "zones", "admin_user"] {
        let mut config = with(&json!({}));
        config.as_object_mut().unwrap().remove(field);
        let error = GceConfig::from_value(config).unwrap_err().to_string();
        assert_eq!(error, format!("{field}: is required"));
    }
    let error = GceConfig::from_value(Value::Null).unwrap_err().to_string();
    assert!(error.contains("project, zones and admin_user"), "{error}");
}

#[test]
fn the_defaults_are_what_the_documentation_says() {
    let config = GceConfig::from_value(with(&json!({}))).unwrap();
    assert_eq!(config.credentials, GceCredentials::Default);
    assert_eq!(config.admin_privilege, Privilege::Sudo);
    assert_eq!((config.external_address, config.address), (false, AddressKind::Private));
    assert_eq!((config.service_account.as_deref(), config.host_keys), (None, false));
    assert_eq!(config.scopes, ["https://www.googleapis.com/auth/cloud-platform"]);
    assert_eq!((config.boot_disk_type.as_str(), config.boot_disk_size), ("pd-balanced", None));
    assert_eq!(config.scratch_disk_type, "pd-balanced");
    assert_eq!((config.list_settle_time, config.page_size), (Duration::from_secs(30), 500));
    assert_eq!((config.call_timeout.as_secs(), config.operation_timeout.as_secs()), (30, 600));
}

/// The guide shows every field: what is commented out without a blank is the default, with one it is an example.
#[test]
fn the_guide_is_right() {
    const GUIDE: &str = include_str!("../../../docs/gce.md");
    let example = GUIDE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let options = |is_wanted: fn(&str) -> bool| {
        let line = |line: &'static str| line.strip_prefix('#').filter(|rest| is_wanted(rest)).unwrap_or(line);
        let table: toml::Table = example.lines().map(line).collect::<Vec<_>>().join("\n").parse().unwrap();
        assert_eq!(table["driver"]["name"].as_str(), Some("gce"));
        table["driver"]["options"].as_table().unwrap().clone()
    };
    let read = |options: &toml::Table| GceConfig::from_value(serde_json::to_value(options).unwrap()).unwrap();
    let shortest = options(|_| false);
    let defaults = options(|rest| !rest.starts_with(' '));
    let everything = options(|_| true);
    assert_eq!(format!("{:?}", read(&shortest)), format!("{:?}", read(&defaults)));
    let config = format!("{:#?}", read(&everything));
    let fields =
        config.lines().filter(|line| line.starts_with("    ") && line.as_bytes()[4].is_ascii_lowercase());
    let fields: Vec<&str> =
        fields.filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name).collect();
    let shown: Vec<&str> = everything.keys().map(String::as_str).collect();
    let missing: Vec<_> = fields.iter().filter(|field| !shown.contains(field)).collect();
    assert!(missing.is_empty() && fields.len() == shown.len(), "{missing:?}: {shown:?}");
}

async fn open_error(fields: &Value) -> String {
    let context =
        DriverContext { instance_set: InstanceSetId::new("test").unwrap(), state_dir: "/nowhere".into() };
    let error = GceDriver.open(with(fields), context).await.err().unwrap();
    format!("{error} {error:?}")
}

#[tokio::test]
async fn a_key_file_that_is_of_no_use_is_named_and_not_shown() {
    const SECRET: &str = "hunter2";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key.json");
    let fields = json!({ "credentials": { "key_file": file } });
    assert!(open_error(&fields).await.contains("cannot be read"));
    for (text, expected) in [
        (format!("{{ \"private_key\": {SECRET} }}"), "is no JSON"),
        (format!("{{ \"private_key\": \"{SECRET}\" }}"), "is not the key of a service account"),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = open_error(&fields).await;
        assert!(error.contains("key.json") && error.contains(expected), "{error}");
        assert!(!error.contains(SECRET), "{error}");
    }
    // What is in the key itself is found out by the first call.
    let key = format!(
        "{{ \"client_email\": \"a@b\", \"private_key_id\": \"1\", \"private_key\": \"{SECRET}\", \"project_id\": \"p\" }}"
    );
    std::fs::write(&file, key).unwrap();
    let context =
        DriverContext { instance_set: InstanceSetId::new("test").unwrap(), state_dir: "/nowhere".into() };
    let set = GceDriver.open(with(&fields), context).await.unwrap();
    let error = set.instances(&Tags::new()).await.err().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Auth, Effect::NotDone), "{error}");
    let whole = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    let whole: Vec<String> = whole.map(|error| format!("{error} {error:?}")).collect();
    assert!(!whole.concat().contains(SECRET), "{whole:?}");
    for credentials in [json!(SECRET), json!({ "private_key": SECRET }), json!([SECRET])] {
        let error = GceConfig::from_value(with(&json!({ "credentials": credentials }))).unwrap_err();
        assert_eq!(error.field, "credentials");
        assert!(!format!("{error:?} {error}").contains(SECRET), "{error:?}");
    }
}

#[tokio::test]
async fn opening_makes_no_call_and_touches_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = dir.path().join("state");
    let context =
        DriverContext { instance_set: InstanceSetId::new("test").unwrap(), state_dir: state_dir.clone() };
    // Nothing listens there.
    let fields = json!({ "endpoint": "http://127.0.0.1:1", "credentials": "anonymous" });
    let set = GceDriver.open(with(&fields), context).await.unwrap();
    let placements: Vec<String> = set.placements().iter().map(ToString::to_string).collect();
    assert_eq!(placements, ["europe-west1-b", "europe-west1-c"]);
    let limits = set.capabilities().tags;
    assert_eq!((limits.count, limits.name_length, limits.value_length), (64, 128, 256));
    set.stop().await;
    assert!(!state_dir.exists());
}
