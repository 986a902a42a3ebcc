//! What idle instances cost. Alone in its process, whose use of the processor it measures.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "it/common/mod.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
mod common;

use common::Cloud;
use serde_json::Value;
use std::{fs, time::Duration};

/// Processor time of this process so far, in hundredths of a second (proc(5): `utime` and `stime`).
fn ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat[stat.rfind(')').unwrap() + 1..].split_ascii_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_idle_instances_with_a_session_each_use_less_than_2_percent_of_a_core() {
    const SECONDS: u64 = 5;
    let cloud = Cloud::new(Value::Null).await;
    let mut sessions = Vec::new();
    for _ in 0..16 {
        let instance = cloud.running("").await;
        let client = cloud.connect(&*instance).await;
        let channel = client.start("cat").await;
        sessions.push((instance, client, channel));
    }
    let before = ticks();
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let used = ticks() - before;
    println!("16 idle instances: {used} hundredths of a second of processor time in {SECONDS} s");
    // 2 % of 500 hundredths.
    assert!(used < 2 * SECONDS, "{used} hundredths of a second in {SECONDS} s");
    for (instance, _, _) in sessions {
        instance.destroy().await.unwrap();
    }
}
