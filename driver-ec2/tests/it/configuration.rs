//! Configurations, good and bad.

use driver_ec2::{AddressKind, Ec2Config, Ec2Driver};
use pool_api::{Driver, DriverContext, InstanceSetId, Privilege};
use serde_json::{Value, json};
use std::time::Duration;

/// The smallest that will do, with these fields set or replaced.
fn with(fields: &Value) -> Value {
    let mut config =
        json!({ "region": "eu-central-1", "subnets": ["subnet-0a", "subnet-0b"], "admin_user": "admin" });
    for (name, value) in fields.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    config
}

#[test]
fn bad_configurations_are_refused_with_the_path_of_the_field() {
    let long = "x".repeat(300);
    let many: serde_json::Map<String, Value> = (0..40).map(|n| (format!("tag{n}"), json!("x"))).collect();
    let cases = [
        (json!({ "regin": "x" }), "regin", "unknown field"),
        (json!({ "region": "eu-centrl-1" }), "region", "did you mean eu-central-1?"),
        (json!({ "region": "" }), "region", ""),
        (json!({ "region": 1 }), "region", "string"),
        (json!({ "endpoint": "ec2.example.com" }), "endpoint", "URL"),
        (json!({ "endpoint": "http://user:pw@example.com" }), "endpoint", "without a user"),
        (json!({ "endpoint": "https:///x" }), "endpoint", "URL"),
        (json!({ "subnets": [] }), "subnets", "at least one"),
        (json!({ "subnets": ["subnet-1", "subnet-1"] }), "subnets[1]", "twice"),
        (json!({ "subnets": ["subnet-1", "eu-central-1a"] }), "subnets[1]", "subnet-"),
        (json!({ "security_groups": ["default"] }), "security_groups[0]", "sg-"),
        (json!({ "admin_user": "a b" }), "admin_user", "login name"),
        (json!({ "admin_privilege": "doas" }), "admin_privilege", "sudo"),
        (json!({ "ebs_type": "io2" }), "ebs_type", "gp3"),
        (json!({ "ebs_price": -1 }), "ebs_price", ""),
        (json!({ "iam_instance_profile": "" }), "iam_instance_profile", "ARN"),
        (json!({ "spot_price_interval": 5 }), "spot_price_interval", "duration"),
        (json!({ "quota_groups": { "": "x" } }), "quota_groups.\"\"", "beginning"),
        (json!({ "quota_groups": { "g": "" } }), "quota_groups.g", "quota group"),
        (json!({ "tags": { "aws:x": "y" } }), "tags.aws:x", "reserved"),
        (json!({ "tags": { "x": long } }), "tags.x", "256"),
        (json!({ "tags": many }), "tags.tag36", "one tag too many"),
        (json!({ "page_size": 4 }), "page_size", "5 to 1000"),
        (json!({ "call_timeout": "0s" }), "call_timeout", "more than zero"),
        (json!({ "credentials": { "access_key_id": "A" } }), "credentials.secret_access_key", "is required"),
        (
            json!({ "credentials": { "access_key_id": "A", "secret_access_key": "" } }),
            "credentials.secret_access_key",
            "not empty",
        ),
        (
            json!({ "credentials": { "access_key_id": "A", "secret_key": "x" } }),
            "credentials.secret_key",
            "unknown field",
        ),
    ];
    for (fields, field, expected) in cases {
        let error = Ec2Config::from_value(with(&fields)).unwrap_err();
        assert_eq!(error.field, field, "{fields}: {error}");
        assert!(error.problem.contains(expected), "{fields}: {error}");
    }
}

#[test]
fn what_is_required_is_named() {
    for field in ["region", "subnets", "admin_user"] {
        let mut config = with(&json!({}));
        config.as_object_mut().unwrap().remove(field);
        let error = Ec2Config::from_value(config).unwrap_err().to_string();
        assert_eq!(error, format!("{field}: is required"));
    }
    let error = Ec2Config::from_value(Value::Null).unwrap_err().to_string();
    assert!(error.contains("region, subnets and admin_user"), "{error}");
}

#[test]
fn the_defaults_are_what_the_documentation_says() {
    let config = Ec2Config::from_value(with(&json!({}))).unwrap();
    assert_eq!(config.admin_privilege, Privilege::Sudo);
    assert_eq!(config.address, AddressKind::Private);
    assert_eq!(config.ebs_type, "gp3");
    assert_eq!(config.spot_price_interval, Duration::from_secs(300));
    assert_eq!(config.list_settle_time, Duration::from_secs(60));
    assert_eq!(config.page_size, 1000);
    assert_eq!((config.connect_timeout.as_secs(), config.call_timeout.as_secs()), (5, 30));
    assert_eq!(config.leftover_age, Duration::from_secs(600));
}

#[test]
fn a_region_that_is_newer_than_the_driver_needs_an_endpoint() {
    let fields = json!({ "region": "moon-north-1", "endpoint": "https://ec2.moon-north-1.amazonaws.com" });
    assert_eq!(Ec2Config::from_value(with(&fields)).unwrap().region, "moon-north-1");
}

#[test]
fn no_secret_is_shown() {
    const SECRET: &str = "hunter2+/hunter2";
    let good = json!({ "credentials": {
        "access_key_id": "AKIAEXAMPLE", "secret_access_key": SECRET, "session_token": SECRET,
    } });
    let shown = format!("{:?}", Ec2Config::from_value(with(&good)).unwrap());
    assert!(shown.contains("AKIAEXAMPLE") && !shown.contains("hunter2"), "{shown}");

    let bad = [
        json!({ "credentials": SECRET }),
        json!({ "credentials": [SECRET] }),
        json!({ "credentials": { "access_key_id": "A", "secret_access_key": [SECRET] } }),
        json!({ "credentials": { "access_key_id": "A", "secret_access_key": format!("{SECRET} ") } }),
        json!({ "credentials": { "access_key_id": SECRET, "secret_access_key": SECRET } }),
    ];
    for fields in bad {
        let error = Ec2Config::from_value(with(&fields)).unwrap_err();
        assert!(error.field.starts_with("credentials"), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn opening_makes_no_call_and_touches_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = dir.path().join("state");
    let context =
        DriverContext { instance_set: InstanceSetId::new("test").unwrap(), state_dir: state_dir.clone() };
    // Nothing listens there.
    let fields = json!({
        "endpoint": "http://127.0.0.1:1",
        "credentials": { "access_key_id": "A", "secret_access_key": "x" },
        "tags": { "owner": "me" },
    });
    let set = Ec2Driver.open(with(&fields), context).await.unwrap();
    let placements: Vec<String> = set.placements().iter().map(ToString::to_string).collect();
    assert_eq!(placements, ["subnet-0a", "subnet-0b"]);
    let limits = set.capabilities().tags;
    assert_eq!((limits.count, limits.name_length, limits.value_length), (48, 128, 256));
    set.stop().await;
    assert!(!state_dir.exists());
}

/// The guide shows every field: what is commented out without a blank is the default, with one it is an example.
#[test]
fn the_guide_is_right() {
    const GUIDE: &str = include_str!("../../../docs/ec2.md");
    let example = GUIDE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let parse = |is_wanted: fn(&str) -> bool| {
        let line = |line: &'static str| line.strip_prefix('#').filter(|rest| is_wanted(rest)).unwrap_or(line);
        let table: toml::Table = example.lines().map(line).collect::<Vec<_>>().join("\n").parse().unwrap();
        let options = table["driver"]["options"].clone();
        assert_eq!(table["driver"]["name"].as_str(), Some("ec2"));
        let fields = options.as_table().unwrap().len();
        (Ec2Config::from_value(serde_json::to_value(options).unwrap()).unwrap(), fields)
    };
    let (shortest, required) = parse(|_| false);
    let (defaults, with_defaults) = parse(|rest| !rest.starts_with(' '));
    let (_, with_examples) = parse(|rest| rest.starts_with(' '));
    assert_eq!(format!("{shortest:?}"), format!("{defaults:?}"));
    let in_guide = with_defaults + with_examples - required;
    assert_eq!(in_guide, format!("{shortest:#?}").lines().filter(|line| is_field(line)).count());
}

/// A field of the configuration itself in its indented `Debug` form.
fn is_field(line: &str) -> bool {
    line.starts_with("    ") && line.as_bytes()[4].is_ascii_lowercase() && line.contains(": ")
}
