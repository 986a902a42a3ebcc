//! Configurations, good and bad.

use driver_azure::{AzureCloud, AzureConfig, AzureCredentials, AzureDriver, SpotPriceLimit};
use pool_api::{Driver, DriverContext, InstanceSetId, Privilege};
use serde_json::{Value, json};
use std::time::Duration;

const ID: &str = "00000000-0000-0000-0000-000000000001";
const SECRET: &str = "hunter2";

/// The smallest that will do, with these fields set or replaced.
fn with(fields: &Value) -> Value {
    let mut config = json!({
        "subscription_id": ID, "resource_group": "farm", "location": "westeurope", "virtual_network": "net",
        "subnet": "workers", "admin_user": "pool",
    });
    for (name, value) in fields.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    config
}

fn refused_with_the_path(cases: &[(Value, &str, &str)]) {
    for (fields, field, expected) in cases {
        let error = AzureConfig::from_value(with(fields)).unwrap_err();
        assert_eq!(&error.field, field, "{fields}: {error}");
        assert!(error.problem.contains(expected), "{fields}: {error}");
    }
}

#[test]
fn bad_places_are_refused_with_the_path_of_the_field() {
    refused_with_the_path(&[
        (json!({ "subscripton": "x" }), "subscripton", "unknown field"),
        (json!({ "subscription_id": "My Subscription" }), "subscription_id", "id of a subscription"),
        (json!({ "resource_group": "" }), "resource_group", "name of a resource group"),
        (json!({ "resource_group": "a/b" }), "resource_group", "name of a resource group"),
        (json!({ "network_resource_group": "a." }), "network_resource_group", "name of a resource group"),
        (json!({ "location": "West Europe" }), "location", "westeurope"),
        (json!({ "zones": ["1", "westeurope-2"] }), "zones[1]", "1, 2 or 3"),
        (json!({ "zones": ["1", "2", "1"] }), "zones[2]", "twice"),
        (json!({ "zones": "1" }), "zones", "invalid type"),
        (json!({ "virtual_network": "my/net" }), "virtual_network", "letters, digits"),
        (json!({ "subnet": "" }), "subnet", "letters, digits"),
    ]);
}

#[test]
fn bad_access_is_refused_with_the_path_of_the_field() {
    let secret = |secret: Value| {
        json!({ "credentials": { "client_secret": {
            "tenant_id": ID, "client_id": ID, "client_secret": secret,
        } } })
    };
    refused_with_the_path(&[
        (json!({ "endpoint": "management.example.com" }), "endpoint", "URL"),
        (json!({ "endpoint": "https://user:pw@example.com" }), "endpoint", "without a user"),
        (json!({ "endpoint": "http://example.com" }), "endpoint", "not sent over plain http"),
        (json!({ "authority": "login.example.com" }), "authority", "URL"),
        (json!({ "authority": "http://127.0.0.1.example.com" }), "authority", "not sent over plain http"),
        (json!({ "cloud": "private" }), "cloud", "public"),
        (json!({ "credentials": "default" }), "credentials", "managed_identity"),
        (secret(json!(1)), "credentials", "managed_identity"),
        (secret(json!("")), "credentials.client_secret.client_secret", "not empty"),
        (secret(json!("a b")), "credentials.client_secret.client_secret", "white space"),
    ]);
}

/// Whether a field is missing or is no id.
#[test]
fn bad_ids_are_refused_with_the_path_of_the_field() {
    let all = [
        ("user_assigned_identity", json!({ "client_id": ID }), &["client_id"][..]),
        (
            "client_secret",
            json!({ "tenant_id": ID, "client_id": ID, "client_secret": "s" }),
            &["tenant_id", "client_id"],
        ),
        (
            "client_certificate",
            json!({ "tenant_id": ID, "client_id": ID, "certificate_file": "/nowhere" }),
            &["tenant_id", "client_id"],
        ),
    ];
    for (kind, good, fields) in all {
        for &field in fields {
            let path = format!("credentials.{kind}.{field}");
            let (mut without, mut wrong) = (good.clone(), good.clone());
            without.as_object_mut().unwrap().remove(field);
            wrong[field] = json!("contoso");
            refused_with_the_path(&[
                (json!({ "credentials": { kind: without } }), &path, "required"),
                (json!({ "credentials": { kind: wrong } }), &path, "must be an id"),
            ]);
        }
    }
}

#[test]
fn bad_machines_are_refused_with_the_path_of_the_field() {
    let many: serde_json::Map<String, Value> = (0..31).map(|n| (format!("l{n:02}"), json!("x"))).collect();
    refused_with_the_path(&[
        (json!({ "admin_user": "a b" }), "admin_user", "1 to 32"),
        (json!({ "admin_user": "Admin" }), "admin_user", "Azure refuses"),
        (json!({ "admin_privilege": "doas" }), "admin_privilege", "sudo"),
        (json!({ "os_disk_type": "pd-ssd" }), "os_disk_type", "StandardSSD_LRS"),
        (json!({ "scratch_disk_type": "UltraSSD_LRS" }), "scratch_disk_type", "Premium_LRS"),
        (json!({ "os_disk_size": "0 GiB" }), "os_disk_size", "1 GiB to 4095 GiB"),
        (json!({ "os_disk_size": "5 TiB" }), "os_disk_size", "1 GiB to 4095 GiB"),
        (json!({ "spot_price_limit": "cheap" }), "spot_price_limit", "on_demand"),
        (json!({ "quota_groups": { "": "x" } }), "quota_groups.\"\"", "beginning"),
        (json!({ "quota_groups": { "Standard_NC": "" } }), "quota_groups.Standard_NC", "quota group"),
        (json!({ "tags": { "a/b": "x" } }), "tags.a/b", "the name has one of"),
        (json!({ "tags": { "Pool-Driver-Azure-x": "x" } }), "tags.Pool-Driver-Azure-x", "the driver's"),
        (json!({ "tags": { "windows": "x" } }), "tags.windows", "reserved"),
        (json!({ "tags": { "Owner": "1", "owner": "2" } }), "tags.owner", "twice"),
        (json!({ "tags": { "owner": "x".repeat(257) } }), "tags.owner", "256"),
        (json!({ "tags": many }), "tags.l30", "too many"),
        (json!({ "call_timeout": "0s" }), "call_timeout", "more than zero"),
        (json!({ "operation_timeout": "0s" }), "operation_timeout", "more than zero"),
        (json!({ "leftover_age": "soon" }), "leftover_age", "duration"),
        (json!({ "list_settle_time": -1 }), "list_settle_time", "invalid type"),
    ]);
}

#[test]
fn what_is_required_is_named() {
    for field in ["subscription_id", "resource_group", "location", "virtual_network", "subnet", "admin_user"]
    {
        let mut config = with(&json!({}));
        config.as_object_mut().unwrap().remove(field);
        let error = AzureConfig::from_value(config).unwrap_err().to_string();
        assert_eq!(error, format!("{field}: is required"));
        let error = AzureConfig::from_value(Value::Null).unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
}

#[test]
fn the_defaults_are_what_the_documentation_says() {
    let config = AzureConfig::from_value(with(&json!({}))).unwrap();
    assert!(matches!(config.credentials, AzureCredentials::ManagedIdentity));
    assert_eq!((config.cloud, config.endpoint, config.authority), (AzureCloud::Public, None, None));
    assert!(config.zones.is_empty() && config.tags.is_empty() && config.quota_groups.is_empty());
    assert_eq!((config.network_resource_group, config.os_disk_size), (None, None));
    assert_eq!(config.admin_privilege, Privilege::Sudo);
    assert_eq!(
        (&config.os_disk_type[..], &config.scratch_disk_type[..]),
        ("StandardSSD_LRS", "StandardSSD_LRS")
    );
    assert_eq!(config.spot_price_limit, SpotPriceLimit::OnDemand);
    let seconds =
        [config.list_settle_time, config.call_timeout, config.operation_timeout, config.leftover_age];
    assert_eq!(seconds, [60, 30, 600, 1200].map(Duration::from_secs));
}

/// The guide shows every field: what is commented out without a blank is the default, with one it is an example.
#[test]
fn the_guide_is_right() {
    const GUIDE: &str = include_str!("../../../docs/azure.md");
    let example = GUIDE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let options = |is_wanted: fn(&str) -> bool| {
        let line = |line: &'static str| line.strip_prefix('#').filter(|rest| is_wanted(rest)).unwrap_or(line);
        let table: toml::Table = example.lines().map(line).collect::<Vec<_>>().join("\n").parse().unwrap();
        assert_eq!(table["driver"]["name"].as_str(), Some("azure"));
        table["driver"]["options"].as_table().unwrap().clone()
    };
    let read =
        |options: &toml::Table| AzureConfig::from_value(serde_json::to_value(options).unwrap()).unwrap();
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

/// The other tables of the guide can be read as well: the credentials, and the stand-in's.
#[test]
fn the_guide_s_other_examples_can_be_read() {
    const GUIDE: &str = include_str!("../../../docs/azure.md");
    let examples: Vec<&str> =
        GUIDE.split("```toml\n").skip(2).map(|rest| rest.split("```").next().unwrap()).collect();
    let mut credentials = 0;
    let mut whole = 0;
    for example in examples {
        if example.contains("[driver.options]") {
            let table: toml::Table = example.parse().unwrap();
            AzureConfig::from_value(serde_json::to_value(&table["driver"]["options"]).unwrap()).unwrap();
            whole += 1;
            continue;
        }
        for line in example.lines().filter(|line| line.starts_with("credentials")) {
            let secret = line.replace("client_secret = \"...\"", "client_secret = \"s\"");
            let table: toml::Table = secret.replace("\"...\"", &format!("\"{ID}\"")).parse().unwrap();
            AzureConfig::from_value(with(&serde_json::to_value(table).unwrap())).unwrap();
            credentials += 1;
        }
    }
    assert_eq!((credentials, whole), (3, 1));
}

#[tokio::test]
async fn no_secret_is_shown() {
    let good = json!({ "credentials": { "client_secret": {
        "tenant_id": ID, "client_id": ID, "client_secret": SECRET,
    } } });
    let config = AzureConfig::from_value(with(&good)).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("client_secret") && !shown.contains(SECRET), "{shown}");
    let context =
        || DriverContext { instance_set: InstanceSetId::new("test").unwrap(), state_dir: "/nowhere".into() };
    let set = driver_azure::AzureInstanceSet::open(config, context()).unwrap();
    let shown = format!("{set:?}");
    assert!(shown.contains("client_secret") && !shown.contains(SECRET), "{shown}");
    for credentials in [
        json!(SECRET),
        json!([SECRET]),
        json!({ SECRET: {} }),
        json!({ "client_secret": SECRET }),
        json!({ "client_secret": { "client_secret": [SECRET] } }),
        json!({ "client_secret": { SECRET: "x" } }),
        json!({ "client_secret": { "tenant_id": ID, "client_id": SECRET, "client_secret": SECRET } }),
        json!({ "client_secret": { "tenant_id": ID, "client_id": ID, "client_secret": format!("{SECRET} ") } }),
    ] {
        let fields = json!({ "credentials": credentials });
        let error = AzureConfig::from_value(with(&fields)).unwrap_err();
        assert!(error.field.starts_with("credentials"), "{error}");
        assert!(!format!("{error:?} {error}").contains(SECRET), "{error:?}");
        let error = AzureDriver.open(with(&fields), context()).await.err().unwrap();
        assert!(!format!("{error:?} {error}").contains(SECRET), "{error:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_of_no_use_is_named_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("principal.pem");
    let fields = json!({ "credentials": { "client_certificate": {
        "tenant_id": ID, "client_id": ID, "certificate_file": file,
    } } });
    let context =
        || DriverContext { instance_set: InstanceSetId::new("test").unwrap(), state_dir: "/nowhere".into() };
    for text in [None, Some(SECRET.to_owned()), Some(format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n"))] {
        if let Some(text) = &text {
            std::fs::write(&file, text).unwrap();
        }
        let error = AzureDriver.open(with(&fields), context()).await.err().unwrap();
        let whole = format!("{error} {error:?}");
        assert!(error.field.starts_with("credentials") && whole.contains("principal.pem"), "{whole}");
        assert!(!whole.contains(SECRET), "{whole}");
    }
}

#[tokio::test]
async fn opening_makes_no_call_and_touches_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = dir.path().join("state");
    let context =
        DriverContext { instance_set: InstanceSetId::new("test").unwrap(), state_dir: state_dir.clone() };
    let server = pool_conformance::Proxy::start(None, Vec::new()).unwrap();
    let fields = json!({
        "endpoint": server.url(), "authority": server.url(), "zones": ["2", "1"], "tags": { "team": "x" },
    });
    let set = AzureDriver.open(with(&fields), context).await.unwrap();
    let placements: Vec<String> = set.placements().iter().map(ToString::to_string).collect();
    assert_eq!(placements, ["2", "1"]);
    // Of Azure's 50, one is the driver's and one the operator's.
    let limits = set.capabilities().tags;
    assert_eq!((limits.count, limits.name_length, limits.value_length), (48, 128, 256));
    assert_eq!(set.capabilities().list_settle_time, Duration::from_secs(60));
    assert!(!set.capabilities().host_keys && set.capabilities().preemptible);
    set.stop().await;
    assert!(server.requests().is_empty());
    assert!(!state_dir.exists());
}
