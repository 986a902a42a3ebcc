//! The end of instances, and of the driver.

use crate::{
    Interruption,
    bench::Bench,
    specification::{Clause, Specification},
    stop::{Stop, ensure},
};
use pool_api::Lifecycle;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const LIFECYCLE: Clause = Clause::Method("lifecycle");

pub(crate) fn trials() -> Vec<Specification> {
    vec![
        Specification::new(
            "a_destroyed_instance_is_gone_from_the_list",
            Clause::Method("destroy"),
            "the pool would destroy it again and again",
            is_gone,
        ),
        Specification::new(
            "destroy_twice_is_success",
            Clause::DestroyTwice,
            "the pool asks again after a lost response",
            twice,
        ),
        Specification::new(
            "destroy_of_what_is_gone_is_success",
            Clause::DestroyTwice,
            "a human may have been faster",
            of_what_is_gone,
        ),
        Specification::new(
            "destroy_leaves_others_of_the_set_alone",
            Clause::Method("destroy"),
            "jobs would be lost",
            leaves_others,
        ),
        Specification::new(
            "a_stopped_instance_is_listed_as_stopped",
            LIFECYCLE,
            "it is paid for, and nobody would destroy it",
            stopped,
        ),
        Specification::new(
            "a_preempted_instance_is_listed_as_stopped_or_gone",
            LIFECYCLE,
            "its jobs would be waited for",
            preempted,
        ),
        Specification::new(
            "leftovers_of_a_failed_create_are_swept_or_listed",
            Clause::Method("sweep"),
            "disks and interfaces are paid for",
            leftovers,
        ),
        Specification::new(
            "stop_ends_background_work",
            Clause::Method("stop"),
            "work that goes on would act for a pool that is no more",
            stop_ends_work,
        ),
        Specification::new(
            "stop_ends_and_destroys_nothing",
            Clause::Method("stop"),
            "a pool that is restarted would lose its jobs",
            stop_destroys_nothing,
        ),
    ]
}

async fn is_gone(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let instance = session.create(bench.request(&session)).await?;
    let listed = session.listed(instance.id()).await?;
    session.destroy(&*listed).await?;
    // Until it is gone, it may be listed, but not as one that runs for long: the wait is bounded.
    session.until_empty().await
}

async fn twice(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let instance = session.create(bench.request(&session)).await?;
    let listed = session.listed(instance.id()).await?;
    session.destroy(&*listed).await?;
    session.destroy(&*listed).await?;
    let (first, second) = tokio::join!(session.destroy(&*listed), session.destroy(&*instance));
    first.and(second)?;
    session.until_empty().await
}

async fn of_what_is_gone(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let instance = session.create(bench.request(&session)).await?;
    let listed = session.listed(instance.id()).await?;
    session.destroy_all().await?;
    session.destroy(&*listed).await?;
    session.destroy(&*instance).await
}

async fn leaves_others(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let (first, second) =
        (session.create(bench.request(&session)).await?, session.create(bench.request(&session)).await?);
    session.exactly(2).await?;
    session.destroy(&*first).await?;
    let limit = bench.fixtures.change_limit;
    let second = session.listed(second.id()).await?;
    ensure!(
        matches!(second.lifecycle(), Lifecycle::Pending | Lifecycle::Running),
        "within {limit:?} after another was destroyed it is {}",
        second.lifecycle()
    );
    Ok(())
}

async fn stopped(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let instance = session.create(bench.request(&session)).await?;
    session.listed(instance.id()).await?;
    bench.harness().interrupt(&session.id, instance.id(), Interruption::Stop).await?;
    let is_stopped = |listed: &dyn pool_api::Instance| listed.lifecycle() == Lifecycle::Stopped;
    let listed =
        session.until(instance.id(), bench.fixtures.change_limit, "listed as stopped", is_stopped).await?;
    // The pool destroys it at once.
    session.destroy(&*listed).await?;
    session.until_empty().await
}

async fn preempted(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let preemptible = bench.fixtures.preemptible_type.as_ref();
    let instance_type = preemptible.unwrap_or(&bench.fixtures.instance_type);
    let instance = session.create(bench.request_of(&session, instance_type)).await?;
    session.listed(instance.id()).await?;
    bench.harness().interrupt(&session.id, instance.id(), Interruption::Preempt).await?;
    let deadline = Instant::now() + bench.fixtures.change_limit;
    loop {
        let late = Instant::now() > deadline;
        match session.list().await?.into_iter().find(|listed| listed.id() == instance.id()) {
            None => return Ok(()),
            Some(listed) if listed.lifecycle() == Lifecycle::Stopped => {
                return session.destroy(&*listed).await;
            }
            Some(listed) => ensure!(!late, "a preempted instance is still listed as {}", listed.lifecycle()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn leftovers(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let what = bench.harness().leave_behind(&session.id).await?;
    let listed = session.list().await?;
    for instance in &listed {
        session.destroy(&**instance).await?;
    }
    session.until_empty().await?;
    let swept = session.succeed("sweep", session.set.sweep()).await?;
    ensure!(swept + listed.len() > 0, "{what} was neither listed nor swept");
    let left = bench.harness().left(&session.id).await?;
    ensure!(left.is_empty(), "left after the sweep: {}", left.join(", "));
    Ok(())
}

async fn stop_destroys_nothing(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let instance = session.create(bench.request(&session)).await?;
    session.listed(instance.id()).await?;
    session.call("stop", session.set.stop()).await?;
    let again = bench.open().await?;
    let listed = again.listed(instance.id()).await?;
    ensure!(
        matches!(listed.lifecycle(), Lifecycle::Pending | Lifecycle::Running),
        "after a stop it is {}",
        listed.lifecycle()
    );
    Ok(())
}

/// In a runtime of its own, whose tasks are the driver's.
async fn stop_ends_work(bench: Arc<Bench>) -> Result<(), Stop> {
    let apart = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            let session = bench.open().await?;
            let instance = session.create(bench.request(&session)).await?;
            session.listed(instance.id()).await?;
            bench.close(session, instance).await?;
            let deadline = Instant::now() + bench.fixtures.change_limit;
            loop {
                let late = Instant::now() > deadline;
                // This future is none of them.
                let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
                if tasks == 0 {
                    return Ok(());
                }
                ensure!(!late, "{tasks} tasks of the driver go on after it was stopped and dropped");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    });
    match tokio::task::spawn_blocking(move || apart.join()).await? {
        Ok(result) => result,
        Err(_) => Err(Stop::Failed("panicked".to_owned())),
    }
}
