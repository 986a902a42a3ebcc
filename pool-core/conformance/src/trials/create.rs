//! What a create carries, and what it leads to.

use crate::{
    Created, Seen,
    bench::{Bench, Session},
    specification::{Clause, Specification},
    stop::{Stop, ensure},
};
use pool_api::{CreateRequest, InitCommand, Instance, Placement};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

const CREATE: Clause = Clause::Method("create");

pub(crate) fn trials() -> Vec<Specification> {
    vec![
        Specification::new(
            "create_carries_the_type",
            CREATE,
            "jobs would run on another machine than they are for",
            carries_type,
        ),
        Specification::new(
            "create_carries_the_image",
            CREATE,
            "the machine would lack what the operator has put into the image",
            carries_image,
        ),
        Specification::new(
            "create_carries_the_placement",
            CREATE,
            "the pool would hold off the wrong placement when one is full",
            carries_placement,
        ),
        Specification::new(
            "create_carries_the_tags",
            CREATE,
            "an instance without its tags is lost after a crash",
            carries_tags,
        ),
        Specification::new(
            "create_carries_the_init_command_byte_for_byte",
            CREATE,
            "the secret is written by it: a changed byte makes every host refused",
            carries_init_command,
        ),
        Specification::new(
            "create_carries_the_public_key",
            CREATE,
            "the pool could not log in",
            carries_public_key,
        ),
        Specification::new(
            "create_adds_the_scratch_disk",
            CREATE,
            "jobs would run out of space",
            adds_scratch,
        ),
        Specification::new(
            "create_adds_no_scratch_disk_that_was_not_asked_for",
            CREATE,
            "a disk that nobody uses is paid for",
            adds_no_scratch,
        ),
        Specification::new(
            "create_asks_for_spot_when_the_type_is_preemptible",
            CREATE,
            "the operator would pay the full price",
            asks_for_spot,
        ),
        Specification::new(
            "create_asks_for_no_spot_when_the_type_is_not_preemptible",
            CREATE,
            "jobs would be interrupted that must not be",
            asks_for_no_spot,
        ),
        Specification::new(
            "create_refuses_an_unknown_placement",
            Clause::NoDecisions,
            "a driver that falls back to another placement hides from the pool which one is full",
            refuses_unknown_placement,
        ),
        Specification::new(
            "create_returns_the_instance_as_it_was_asked_for",
            CREATE,
            "the pool books it under what the driver says",
            returns_instance,
        ),
        Specification::new(
            "create_makes_fifty_at_once",
            CREATE,
            "a pool that grows makes many calls at the same time",
            makes_many,
        )
        .alone(),
        Specification::new(
            "a_dropped_create_leaves_nothing_that_its_tags_do_not_find",
            Clause::AskAgain,
            "the pool gives calls up: what they have made must be found again",
            dropped_create,
        ),
        Specification::new("debug_forms_show_no_secret", Clause::Secrets, "they end in logs", debug_forms),
    ]
}

/// Creates one instance and looks at it in the cloud itself.
async fn created(
    bench: &Arc<Bench>,
    request: impl FnOnce(&Session) -> CreateRequest,
) -> Result<Created, Stop> {
    let session = bench.open().await?;
    let instance = session.create(request(&session)).await?;
    session.inspect(instance.id()).await
}

/// What the harness sees, if it can.
fn seen<T>(seen: Seen<T>) -> Result<T, Stop> {
    match seen {
        Seen::Is(value) => Ok(value),
        Seen::Hidden(why) => Err(Stop::Excluded(why.to_owned())),
    }
}

async fn carries_type(bench: Arc<Bench>) -> Result<(), Stop> {
    let found = seen(created(&bench, |session| bench.request(session)).await?.provider_type)?;
    let wanted = &bench.fixtures.instance_type.provider_type;
    ensure!(found == *wanted, "the cloud has made a {found}, not a {wanted}");
    Ok(())
}

async fn carries_image(bench: Arc<Bench>) -> Result<(), Stop> {
    let found = seen(created(&bench, |session| bench.request(session)).await?.image)?;
    let wanted = &bench.fixtures.image;
    ensure!(found == *wanted, "it boots from {found:?}, not from {wanted:?}");
    Ok(())
}

async fn carries_placement(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let placements = session.set.placements();
    ensure!(!placements.is_empty(), "there are no placements: there must be one, if only the unnamed");
    let distinct: BTreeSet<_> = placements.iter().collect();
    ensure!(distinct.len() == placements.len(), "a placement is named twice: {placements:?}");
    for wanted in placements.into_iter().take(3) {
        let instance =
            session.create(CreateRequest { placement: wanted.clone(), ..bench.request(&session) }).await?;
        ensure!(*instance.placement() == wanted, "the instance says {}, not {wanted}", instance.placement());
        let found = seen(session.inspect(instance.id()).await?.placement)?;
        ensure!(found == wanted, "the cloud has put it into {found}, not into {wanted}");
    }
    Ok(())
}

async fn carries_tags(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let mut request = bench.request(&session);
    request.tags.set("InstanceType", "Small.1");
    request.tags.set("IdleBehavior", "run");
    let wanted = request.tags.clone();
    let instance = session.create(request).await?;
    let found = seen(session.inspect(instance.id()).await?.tags)?;
    for (name, value) in wanted.iter() {
        let got = found.get(name);
        ensure!(got == Some(value), "the tag {name} is {got:?}, not {value:?}");
    }
    Ok(())
}

/// All that a shell script may hold and a template, a shell or an encoding might spoil.
const ODD_SCRIPT: &str = "printf '%s\\n' \"$HOME\" `id` $((1+1)) 'it''s' \\\n\t&& : # caf\u{e9} \u{1f980} {{x}} ${y} %z <&> \r\n\n";

async fn carries_init_command(bench: Arc<Bench>) -> Result<(), Stop> {
    let mut wanted = String::new();
    let found = created(&bench, |session| {
        let request = bench.request(session);
        wanted = format!("{}{ODD_SCRIPT}", request.init_command.expose());
        CreateRequest { init_command: InitCommand::new(wanted.clone()), ..request }
    });
    let found = seen(found.await?.init_command)?;
    let same = found.iter().zip(wanted.as_bytes()).take_while(|(a, b)| a == b).count();
    ensure!(
        found == wanted.as_bytes(),
        "the init command differs from byte {same} on ({} bytes, not {})",
        found.len(),
        wanted.len()
    );
    Ok(())
}

async fn carries_public_key(bench: Arc<Bench>) -> Result<(), Stop> {
    let found = seen(created(&bench, |session| bench.request(session)).await?.public_key)?;
    let key = |text: &str| text.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    let wanted = &bench.fixtures.public_key.0;
    ensure!(key(&found) == key(wanted), "the cloud lets in {found:?}, not {wanted:?}");
    Ok(())
}

async fn adds_scratch(bench: Arc<Bench>) -> Result<(), Stop> {
    let Some(scratch_type) = bench.fixtures.scratch_type.clone() else {
        return Err(Stop::Excluded("the harness has no type with added scratch".into()));
    };
    let session = bench.open().await?;
    if !session.set.capabilities().added_scratch {
        return Err(Stop::Excluded("the driver's capabilities say that it adds no scratch disks".into()));
    }
    let instance = session.create(bench.request_of(&session, &scratch_type)).await?;
    let found = seen(session.inspect(instance.id()).await?.added_scratch)?;
    let wanted = scratch_type.added_scratch;
    ensure!(found >= wanted, "{found} of scratch were added, not {wanted}");
    Ok(())
}

async fn adds_no_scratch(bench: Arc<Bench>) -> Result<(), Stop> {
    let found = seen(created(&bench, |session| bench.request(session)).await?.added_scratch)?;
    ensure!(found.0 == 0, "{found} of scratch were added that nobody has asked for");
    Ok(())
}

async fn asks_for_spot(bench: Arc<Bench>) -> Result<(), Stop> {
    let Some(preemptible_type) = bench.fixtures.preemptible_type.clone() else {
        return Err(Stop::Excluded("the harness has no preemptible type".into()));
    };
    let session = bench.open().await?;
    if !session.set.capabilities().preemptible {
        return Err(Stop::Excluded(
            "the driver's capabilities say that it has no preemptible instances".into(),
        ));
    }
    let instance = session.create(bench.request_of(&session, &preemptible_type)).await?;
    let found = seen(session.inspect(instance.id()).await?.preemptible)?;
    ensure!(found, "the instance is on demand");
    Ok(())
}

async fn asks_for_no_spot(bench: Arc<Bench>) -> Result<(), Stop> {
    let found = seen(created(&bench, |session| bench.request(session)).await?.preemptible)?;
    ensure!(!found, "the instance is preemptible");
    Ok(())
}

async fn refuses_unknown_placement(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let placement = Placement::new("no-such-placement");
    let request = CreateRequest { placement, ..bench.request(&session) };
    let error = session.fail("create in no-such-placement", session.set.create(request)).await?;
    ensure!(
        matches!(error.kind(), pool_api::ErrorKind::InvalidRequest | pool_api::ErrorKind::NotFound),
        "the error is {:?}, where the request is at fault: {error}",
        error.kind()
    );
    session.exactly(0).await?;
    Ok(())
}

async fn returns_instance(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let request = bench.request(&session);
    let instance = session.create(request.clone()).await?;
    ensure!(
        *instance.provider_type() == request.instance_type.provider_type,
        "its type is {}, not {}",
        instance.provider_type(),
        request.instance_type.provider_type
    );
    ensure!(
        *instance.placement() == request.placement,
        "it is in {}, not in {}",
        instance.placement(),
        request.placement
    );
    ensure!(
        instance.tags().matches(&request.tags),
        "its tags are {:?}, not {:?}",
        instance.tags(),
        request.tags
    );
    ensure!(!instance.remote_user().name.is_empty(), "it does not say whom to log in as");
    ensure!(instance.root().starts_with('/'), "its root is {:?}, which is no absolute path", instance.root());
    Ok(())
}

async fn makes_many(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let many = bench.fixtures.many;
    let creates = (0..many).map(|_| session.create(bench.request(&session)));
    let instances = futures_util::future::try_join_all(creates).await?;
    let ids: BTreeSet<_> = instances.iter().map(|instance| instance.id().clone()).collect();
    ensure!(ids.len() == many, "{many} creates have made {} instances", ids.len());
    let listed: BTreeSet<_> =
        session.exactly(many).await?.iter().map(|instance| instance.id().clone()).collect();
    ensure!(listed == ids, "others are listed than were made");
    session.destroy_all().await
}

async fn dropped_create(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    // Dropped at moments that differ: before anything was sent, while it is sent, while the answer is awaited.
    for millis in [0, 1, 2, 5, 10, 20, 50] {
        let create = session.set.create(bench.request(&session));
        drop(tokio::time::timeout(Duration::from_millis(millis), create).await);
    }
    // Whatever has come of it must be in the list of this set or found by a sweep, if not at once: the provider may still
    // be at it.
    let deadline = Instant::now() + session.set.capabilities().list_settle_time + bench.fixtures.change_limit;
    loop {
        let late = Instant::now() > deadline;
        session.destroy_all().await?;
        session.succeed("sweep", session.set.sweep()).await?;
        let left = bench.harness().left(&session.id).await?;
        if left.is_empty() {
            return Ok(());
        }
        ensure!(!late, "neither listed nor swept: {}", left.join(", "));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn debug_forms(bench: Arc<Bench>) -> Result<(), Stop> {
    let session = bench.open().await?;
    let request = bench.request(&session);
    bench.witness_debug("a request", &request);
    let instance = session.create(request).await?;
    bench.witness_debug("an instance", &instance);
    let listed: Vec<Arc<dyn Instance>> = session.list().await?;
    bench.witness_debug("a list", &listed);
    Ok(())
}
