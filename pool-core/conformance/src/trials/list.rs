//! Lists.

use crate::{
    Call, Failure, Fault,
    bench::{Bench, SET_TAG},
    specification::{Clause, Specification},
    stop::{Stop, ensure},
};
use pool_api::{CreateRequest, InstanceId, Lifecycle, Tags};
use std::{collections::BTreeSet, sync::Arc};

const LIST: Clause = Clause::Method("instances");
/// How many instances a page is to hold, where pages can be made small, and how many instances there are then: three
/// pages, the last one not full. (EC2 refuses pages of less than five.)
const PAGE: usize = 5;
const THREE_PAGES: usize = 12;

pub(crate) fn trials() -> Vec<Specification> {
    vec![
        Specification::new(
            "a_new_instance_is_listed_once_within_the_settle_time",
            LIST,
            "the pool would believe that it is gone",
            new_is_listed,
        ),
        Specification::new(
            "a_listed_instance_has_all_its_tags",
            LIST,
            "the pool would not know it as its own",
            listed_with_tags,
        ),
        Specification::new(
            "another_process_finds_the_same_instances",
            LIST,
            "a pool that was restarted would lose them",
            found_again,
        ),
        Specification::new(
            "a_filter_leaves_out_what_does_not_match",
            LIST,
            "the pool would take others' instances for its own",
            filters,
        ),
        Specification::new("an_empty_list_is_no_error", LIST, "a pool that starts has nothing", empty),
        Specification::new(
            "another_sets_instances_are_not_returned",
            Clause::OthersUntouched,
            "one pool would destroy another's machines",
            others_not_returned,
        ),
        Specification::new(
            "another_sets_instances_are_not_touched",
            Clause::OthersUntouched,
            "one pool would destroy another's machines",
            others_not_touched,
        ),
        Specification::new(
            "a_list_of_several_pages_has_each_instance_once",
            Clause::WholeLists,
            "what is on the second page would be taken for gone",
            several_pages,
        ),
        Specification::new(
            "a_failing_second_page_fails_the_list",
            Clause::WholeLists,
            "half a list would destroy jobs",
            failing_page,
        ),
    ]
}

async fn new_is_listed(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let instance = session.create(bench.request(&session)).await?;
    session.listed(instance.id()).await?;
    let listed = session.list().await?;
    let times = listed.iter().filter(|other| other.id() == instance.id()).count();
    ensure!(
        times == 1 && listed.len() == 1,
        "of {} that are listed, {times} are the one that was created",
        listed.len()
    );
    let lifecycle = listed[0].lifecycle();
    ensure!(
        matches!(lifecycle, Lifecycle::Pending | Lifecycle::Running),
        "a new instance is listed as {lifecycle}"
    );
    Ok(())
}

async fn listed_with_tags(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let mut request = bench.request(&session);
    request.tags.set("InstanceType", "Small.1");
    request.tags.set("InstanceSecret", "0".repeat(64));
    let instance = session.create(request.clone()).await?;
    let listed = session.listed(instance.id()).await?;
    ensure!(
        listed.tags().matches(&request.tags),
        "it is listed with {:?}, not with {:?}",
        listed.tags(),
        request.tags
    );
    ensure!(
        *listed.provider_type() == request.instance_type.provider_type,
        "it is listed as a {}",
        listed.provider_type()
    );
    ensure!(*listed.placement() == request.placement, "it is listed in {}", listed.placement());
    Ok(())
}

async fn found_again(bench: Arc<Bench>) -> Result<(), Stop> {
    let first = bench.open().await?;
    let instance = first.create(bench.request(&first)).await?;
    let before = first.listed(instance.id()).await?;
    let second = bench.open().await?;
    let after = second.listed(instance.id()).await?;
    ensure!(before.tags() == after.tags(), "its tags were {:?} and are {:?}", before.tags(), after.tags());
    ensure!(before.provider_type() == after.provider_type(), "its type is another");
    ensure!(before.placement() == after.placement(), "its placement is another");
    ensure!(
        before.created() == after.created(),
        "it was created at another time: {:?}, {:?}",
        before.created(),
        after.created()
    );
    // It must be of use too: what was listed by one process is destroyed by the next.
    second.destroy(&*after).await?;
    second.until_empty().await
}

async fn filters(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let of_color = |color: &str| {
        let mut request = bench.request(&session);
        request.tags.set("Color", color);
        request
    };
    let (red, blue) = (session.create(of_color("red")).await?, session.create(of_color("blue")).await?);
    session.listed(red.id()).await?;
    session.listed(blue.id()).await?;
    let mut filter = session.tags();
    let ids = async |filter: &Tags| -> Result<BTreeSet<InstanceId>, Stop> {
        let listed = session.succeed("list", session.set.instances(filter)).await?;
        Ok(listed.iter().map(|instance| instance.id().clone()).collect())
    };
    ensure!(
        ids(&filter).await? == BTreeSet::from([red.id().clone(), blue.id().clone()]),
        "the common tag does not find both"
    );
    filter.set("Color", "red");
    ensure!(
        ids(&filter).await? == BTreeSet::from([red.id().clone()]),
        "the filter Color=red does not find the red one alone"
    );
    filter.set("Color", "re");
    ensure!(
        ids(&filter).await?.is_empty(),
        "the filter Color=re finds what is red: values are compared as a whole"
    );
    filter.set("Color", "RED");
    ensure!(ids(&filter).await?.is_empty(), "the filter Color=RED finds what is red: case matters");
    filter.set("Color", "*");
    ensure!(
        ids(&filter).await?.is_empty(),
        "the filter Color=* finds something: it is a text and no pattern"
    );
    Ok(())
}

async fn empty(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    session.exactly(0).await?;
    Ok(())
}

async fn others_not_returned(bench: Arc<Bench>) -> Result<(), Stop> {
    let (ours, theirs) = (bench.open().await?, bench.open_other().await?);
    let instance = theirs.create(bench.request(&theirs)).await?;
    theirs.listed(instance.id()).await?;
    ours.exactly(0).await?;
    // A driver's own idea of whose an instance is must not stand above its tags.
    let own = ours.create(bench.request(&ours)).await?;
    let listed = ours.listed(own.id()).await?;
    ensure!(listed.tags().get(SET_TAG) == Some(ours.id.as_str()), "the tag of the set is another");
    ours.exactly(1).await?;
    theirs.exactly(1).await?;
    Ok(())
}

async fn others_not_touched(bench: Arc<Bench>) -> Result<(), Stop> {
    let (ours, theirs) = (bench.open().await?, bench.open_other().await?);
    let their_instance = theirs.create(bench.request(&theirs)).await?;
    let before = theirs.listed(their_instance.id()).await?;
    let our_instance = ours.create(bench.request(&ours)).await?;
    let listed = ours.listed(our_instance.id()).await?;
    ours.succeed("set_tags", listed.set_tags(&[("Color", "red")].into_iter().collect())).await?;
    ours.succeed("sweep", ours.set.sweep()).await?;
    ours.destroy_all().await?;
    ours.call("stop", ours.set.stop()).await?;
    let after = theirs.listed(their_instance.id()).await?;
    ensure!(
        before.tags() == after.tags(),
        "the other's tags were {:?} and are {:?}",
        before.tags(),
        after.tags()
    );
    ensure!(
        matches!(after.lifecycle(), Lifecycle::Pending | Lifecycle::Running),
        "the other's instance is {}",
        after.lifecycle()
    );
    Ok(())
}

/// Makes enough instances for three pages.
async fn make_three_pages(bench: &Arc<Bench>) -> Result<BTreeSet<InstanceId>, Stop> {
    let session = bench.open().await?;
    let request = || CreateRequest { ..bench.request(&session) };
    let creates = (0..THREE_PAGES).map(|_| session.create(request()));
    let made = futures_util::future::try_join_all(creates).await?;
    session.exactly(THREE_PAGES).await?;
    Ok(made.iter().map(|instance| instance.id().clone()).collect())
}

async fn several_pages(bench: Arc<Bench>) -> Result<(), Stop> {
    let made = make_three_pages(&bench).await?;
    let session = bench.open_with(&[Fault::always(Call::List, Failure::SmallPages(PAGE))]).await?;
    let listed = session.list().await?;
    ensure!(listed.len() == THREE_PAGES, "{} instances are listed, not {THREE_PAGES}", listed.len());
    let ids: BTreeSet<_> = listed.iter().map(|instance| instance.id().clone()).collect();
    ensure!(ids == made, "other instances are listed than there are");
    if let Some(requests) = session.requests(Call::List) {
        ensure!(
            requests >= 3,
            "{requests} requests have gone out: the pages were not small, and nothing was tried"
        );
    }
    Ok(())
}

async fn failing_page(bench: Arc<Bench>) -> Result<(), Stop> {
    make_three_pages(&bench).await?;
    let faults = [
        Fault::always(Call::List, Failure::SmallPages(PAGE)),
        Fault::always(Call::List, Failure::FailingPage(2)),
    ];
    let session = bench.open_with(&faults).await?;
    session.fail("a list whose second page fails", session.set.instances(&session.tags())).await?;
    Ok(())
}
