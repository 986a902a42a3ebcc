//! p43: who is at the other end is settled before anything else is said.

use crate::support::{
    config, idle_instance,
    scripted::{Scripted, good},
    small, soon,
};
use pool_core::{HostKeyVerdict, InstanceId, Notice, Pool, RunnerSource};

const PIN: &str = "pool-InstanceHostKey";

async fn started(scripted: &Scripted) -> Pool {
    let pool = scripted.pool(config());
    pool.count_workers().await;
    pool.create(&small()).unwrap();
    pool
}

async fn refusal(pool: &Pool) -> String {
    let mut notices = pool.notices();
    soon("a failed probe", async {
        loop {
            if let Notice::ProbeFailed { reason, .. } = notices.recv().await.unwrap() {
                return reason;
            }
        }
    })
    .await
}

/// Waits until the worker was reached again over a new connection, or was refused.
async fn reconnected(scripted: &Scripted, word: &str) -> Vec<String> {
    let mut log = Vec::new();
    soon("a new connection", async {
        while !log.iter().any(|line: &String| line == word) {
            log.extend(scripted.host.take_log());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    log
}

async fn pinned(scripted: &Scripted, id: &InstanceId, key: &str) {
    soon("the pinned key as a tag", async {
        while scripted.cloud.tags(id).unwrap().get(PIN) != Some(key) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The host is in the same state as after a crash of the pool: a new one knows only the tags.
async fn restarted(scripted: &Scripted, pool: Pool) -> Pool {
    pool.stop().await;
    scripted.host.take_log();
    scripted.pool(config())
}

#[tokio::test]
async fn p43_a_key_that_the_driver_vouches_for_needs_no_secret() {
    let scripted = Scripted::new(good());
    scripted.host.set_verdict(Some(HostKeyVerdict::Genuine));
    let pool = started(&scripted).await;
    let id = idle_instance(&pool).await;
    let log = scripted.host.take_log();
    assert_eq!(log[..2], ["ask the driver", "verified"], "{log:?}");
    assert!(!log.contains(&"read the secret".to_owned()));
    pinned(&scripted, &id, "SHA256:first").await;
    pool.stop().await;
}

#[tokio::test]
async fn p43_a_key_that_the_driver_disowns_is_refused() {
    let scripted = Scripted::new(good());
    scripted.host.set_verdict(Some(HostKeyVerdict::Forged));
    let pool = started(&scripted).await;
    let reason = refusal(&pool).await;
    assert!(reason.contains("SHA256:first is not this instance's"), "{reason}");
    pool.stop().await;
    let log = scripted.host.take_log();
    assert!(log.iter().all(|line| line == "ask the driver" || line == "refused"), "{log:?}");
}

#[tokio::test]
async fn p43_a_driver_that_cannot_be_asked_is_no_yes() {
    let scripted = Scripted::new(good());
    scripted.host.set_verdict(None);
    let pool = started(&scripted).await;
    let reason = refusal(&pool).await;
    assert!(reason.contains("could not be asked") && reason.contains("does not want to"), "{reason}");
    pool.stop().await;
    assert!(!scripted.host.take_log().contains(&"read the secret".to_owned()));
}

#[tokio::test]
async fn p43_the_secret_is_read_before_anything_else_where_the_driver_cannot_tell() {
    let scripted = Scripted::new(good());
    let program = b"a runner";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), program).unwrap();
    let pool = scripted.builder(config()).runner(RunnerSource::file(file.path())).start().unwrap();
    pool.count_workers().await;
    pool.create(&small()).unwrap();
    let id = idle_instance(&pool).await;
    let log = scripted.host.take_log();
    let first =
        ["ask the driver", "read the secret", "verified", "true", "hash the runner", "copy the runner"];
    assert_eq!(log[..first.len()], first, "{log:?}");
    pinned(&scripted, &id, "SHA256:first").await;
    pool.stop().await;
}

#[tokio::test]
async fn p43_a_wrong_or_missing_secret_is_refused_and_nothing_else_is_run() {
    for (secret, expected) in [("0".repeat(40), "does not know"), (String::new(), "does not know")] {
        let scripted = Scripted::new(good());
        scripted.host.set_secret(&secret);
        let pool = started(&scripted).await;
        let reason = refusal(&pool).await;
        assert!(reason.contains(expected), "{reason}");
        pool.stop().await;
        let log = scripted.host.take_log();
        let allowed = ["ask the driver", "read the secret", "refused"];
        assert!(log.iter().all(|line| allowed.contains(&line.as_str())), "{log:?}");
        let id = "i-1".parse().unwrap();
        assert_eq!(scripted.cloud.tags(&id).unwrap().get(PIN), None, "no key is pinned");
    }
}

#[tokio::test]
async fn p43_a_pinned_key_is_enough_also_for_the_next_pool() {
    let scripted = Scripted::new(good());
    let pool = started(&scripted).await;
    let id = idle_instance(&pool).await;
    pinned(&scripted, &id, "SHA256:first").await;
    let pool = restarted(&scripted, pool).await;
    idle_instance(&pool).await;
    let log = scripted.host.take_log();
    assert_eq!(log[0], "verified", "neither the driver nor the secret was asked: {log:?}");
    pool.stop().await;
}

#[tokio::test]
async fn p43_a_changed_key_is_another_host_even_if_it_knows_the_secret() {
    let scripted = Scripted::new(good());
    let pool = started(&scripted).await;
    let id = idle_instance(&pool).await;
    pinned(&scripted, &id, "SHA256:first").await;
    scripted.host.take_log();
    scripted.host.change_key("SHA256:second");
    // A new pool, so that there is a new connection.
    let pool = restarted(&scripted, pool).await;
    let log = reconnected(&scripted, "refused").await;
    assert_eq!(log[..2], ["ask the driver", "refused"], "{log:?}");
    assert!(!log.contains(&"read the secret".to_owned()), "{log:?}");
    let reason = refusal(&pool).await;
    assert!(reason.contains("SHA256:second") && reason.contains("SHA256:first"), "{reason}");
    assert_eq!(scripted.cloud.tags(&id).unwrap().get(PIN), Some("SHA256:first"));
    pool.stop().await;
}

#[tokio::test]
async fn p43_a_changed_key_that_the_driver_vouches_for_is_pinned_anew() {
    let scripted = Scripted::new(good());
    let pool = started(&scripted).await;
    let id = idle_instance(&pool).await;
    pinned(&scripted, &id, "SHA256:first").await;
    scripted.host.set_verdict(Some(HostKeyVerdict::Genuine));
    scripted.host.change_key("SHA256:second");
    let pool = restarted(&scripted, pool).await;
    let log = reconnected(&scripted, "verified").await;
    assert_eq!(log[..2], ["ask the driver", "verified"], "{log:?}");
    pinned(&scripted, &id, "SHA256:second").await;
    idle_instance(&pool).await;
    pool.stop().await;
}
