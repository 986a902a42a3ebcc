//! Configurations, good and bad.

use super::common::context;
use driver_loopback::{LoopbackConfig, LoopbackDriver};
use pool_api::{Driver, Tags};
use serde_json::{Value, json};

#[test]
fn bad_configurations_are_refused_with_the_path_of_the_field() {
    let cases = [
        (json!({ "usr": "x" }), "usr", "unknown field"),
        (json!({ "user": "" }), "user", "login name"),
        (json!({ "boot_time": 3 }), "boot_time", "duration"),
        (json!({ "boot_time": "soon" }), "boot_time", ""),
        (json!({ "placements": [] }), "placements", "at least one"),
        (json!({ "placements": ["a", "a"] }), "placements", "once"),
        (json!({ "quota_groups": { "x": "" } }), "quota_groups.x", "quota group"),
        (json!({ "seed": -1 }), "seed", ""),
        (json!({ "faults": { "create": { "error_rate": 1.5 } } }), "faults.create.error_rate", "from 0"),
        (json!({ "faults": { "list": { "lost_request_rate": -0.1 } } }), "faults.list.lost_request_rate", ""),
        (
            json!({ "faults": { "destroy": { "lost_response_rate": 2 } } }),
            "faults.destroy.lost_response_rate",
            "",
        ),
        (
            json!({ "faults": { "set_tags": { "calls_per_second": 0 } } }),
            "faults.set_tags.calls_per_second",
            "",
        ),
        (json!({ "faults": { "list": { "says_retry_after": true } } }), "faults.list.says_retry_after", ""),
        (json!({ "faults": { "list": { "rate": 1 } } }), "faults.list.rate", "unknown field"),
        (json!({ "faults": { "stale_list": "1s" } }), "faults.stale_list", "list_settle_time"),
        (
            json!({ "faults": { "quota": { "groups": { "gpu": 1 } } } }),
            "faults.quota.groups.gpu",
            "quota_groups",
        ),
        (json!({ "faults": { "capacity": [{}] } }), "faults.capacity[0]", "instances"),
        (
            json!({ "faults": { "capacity": [{ "instances": 0 }, { "instances": 0, "placement": "z" }] } }),
            "faults.capacity[1].placement",
            "none of the configured",
        ),
        (
            json!({ "faults": { "capacity": [{ "instances": 0, "provider_type": "a", "quota_group": "loopback" }] } }),
            "faults.capacity[0].quota_group",
            "two entries",
        ),
        (
            json!({ "faults": { "capacity": [{ "instances": 0, "quota_group": "gpu" }] } }),
            "faults.capacity[0].quota_group",
            "quota_groups",
        ),
        (json!({ "faults": { "boots": { "failed_boot_rate": 9 } } }), "faults.boots.failed_boot_rate", ""),
        (json!({ "faults": { "machines": [{ "nth": 1 }] } }), "faults.machines[0]", "break_after"),
        (
            json!({ "faults": { "machines": [{ "nth": 0, "hang_after": "1s" }] } }),
            "faults.machines[0].nth",
            "from 1",
        ),
        (
            json!({ "faults": { "machines": [{ "every": 7, "hang_after": "1s" }] } }),
            "faults.machines[0].every",
            "nth",
        ),
        (
            json!({ "faults": { "machines": [{ "nth": 1, "every": 0, "hang_after": "1s" }] } }),
            "faults.machines[0].every",
            "above 0",
        ),
        (
            json!({ "faults": { "machines": [{ "created_within": "0s", "hang_after": "1s" }] } }),
            "faults.machines[0].created_within",
            "above 0s",
        ),
        (
            json!({ "faults": { "machines": [{ "rate": 1.1, "hang_after": "1s" }] } }),
            "faults.machines[0].rate",
            "from 0",
        ),
        (
            json!({ "faults": { "machines": [{ "nth": 1, "without_runner": false }] } }),
            "faults.machines[0]",
            "without_runner",
        ),
        (json!([1]), "loopback", ""),
    ];
    for (config, field, problem) in cases {
        let error = LoopbackConfig::from_value(config.clone()).unwrap_err();
        assert_eq!(error.field, field, "{config}: {error}");
        assert!(error.problem.contains(problem), "{config}: {error}");
    }
}

#[test]
fn a_configuration_is_the_same_after_it_was_written_and_read() {
    let config = LoopbackConfig::from_value(json!({
        "user": "me",
        "boot_time": "1s",
        "placements": ["a"],
        "quota_groups": { "gpu.large": "gpu" },
        "list_settle_time": "5s",
        "faults": {
            "create": { "error_rate": 0.1, "delay": "20ms", "calls_per_second": 5, "says_retry_after": true },
            "stale_list": "2s",
            "quota": { "instances": 5, "groups": { "gpu": 1 } },
            "capacity": [{ "placement": "a", "instances": 3 }],
            "boots": { "slow_boot_rate": 0.5, "slow_boot": "1m" },
            "machines": [
                { "nth": 3, "every": 7, "break_after": "4s" },
                { "created_within": "300ms", "rate": 0.1, "without_runner": true, "kill_jobs_after": "1m" },
            ],
        },
    }))
    .unwrap();
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(LoopbackConfig::from_value(written).unwrap(), config);
    let default = LoopbackConfig::from_value(Value::Null).unwrap();
    assert_eq!(default, LoopbackConfig::from_value(json!({})).unwrap());
    assert_eq!(default, LoopbackConfig::default());
}

#[tokio::test]
async fn the_driver_opens_a_set_from_its_table() {
    let dir = tempfile::tempdir().unwrap();
    let state_dir = dir.path().join("is/made");
    assert_eq!(LoopbackDriver.name(), "loopback");
    let set = LoopbackDriver.open(Value::Null, context(&state_dir)).await.unwrap();
    assert!(set.instances(&Tags::new()).await.unwrap().is_empty());
    set.stop().await;
    let error = LoopbackDriver.open(json!({ "x": 1 }), context(&state_dir)).await.map(drop).unwrap_err();
    assert_eq!(error.field, "x");
}

#[tokio::test]
async fn a_directory_that_is_too_deep_for_sockets_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(80));
    let error = LoopbackDriver.open(Value::Null, context(&deep)).await.map(drop).unwrap_err();
    assert!(error.problem.contains("too long") && error.field.ends_with("ddd"), "{error}");
}
