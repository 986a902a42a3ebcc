//! News from a server, and the questions to it.

use crate::{
    client::{Client, Target},
    commands::top::{
        event::{Action, Answer, Ask, Event, Link, Update},
        live,
        world::World,
    },
    http::tests::fake::{Fake, Serving, instance},
    job::{Finish, JobRequest},
};
use pool_core::{InstanceId, OutputStream};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::timeout};

const PATIENCE: Duration = Duration::from_secs(20);

fn client(serving: &Serving) -> Arc<Client> {
    Arc::new(Client::new(Target::Socket(serving.dir.path().to_owned())).impatient())
}

/// Waits for an event.
async fn until<T>(events: &mut mpsc::Receiver<Event>, mut is: impl FnMut(Event) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = is(events.recv().await.unwrap()) {
                return found;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap()
}

async fn submit(client: &Client, count: usize) {
    let job = serde_json::value::to_raw_value(&JobRequest::new(["true"])).unwrap();
    client.submit("once", &vec![job; count]).await.unwrap();
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back_is_followed() {
    let fake = Fake::new();
    let mut serving = Serving::new(&fake);
    let client = client(&serving);
    submit(&client, 2).await;
    fake.begin(2);
    fake.change(|state| state.instances = vec![instance("i-1")]);
    let (to, mut events) = mpsc::channel(1);
    let follow = tokio::spawn({
        let client = Arc::clone(&client);
        async move { live::follow(&client, to).await }
    });
    let all = until(&mut events, |event| match event {
        Event::Update(Update::All(all)) => Some(all),
        _ => None,
    });
    let all = all.await;
    assert_eq!((all.instances.len(), all.status.instance_set.as_str()), (1, "test"));
    assert!(all.jobs.iter().any(|job| job.number == 1));
    let link = |event| match event {
        Event::Update(Update::Link(link)) => Some(link),
        _ => None,
    };
    assert!(!matches!(until(&mut events, link).await, Link::Lost(_)));
    serving.stop().await;
    while !matches!(until(&mut events, link).await, Link::Lost(_)) {}
    serving.restart(&fake);
    while matches!(until(&mut events, link).await, Link::Lost(_)) {}
    follow.abort();
}

#[tokio::test]
async fn what_is_asked_for_is_done_and_answered() {
    let fake = Fake::new();
    let serving = Serving::new(&fake);
    let client = client(&serving);
    submit(&client, 1).await;
    fake.begin(1);
    fake.print(1, OutputStream::Stdout, b"bold \x1b[1m\n");
    fake.change(|state| state.instances = vec![instance("i-1")]);
    let id = client.job(&"1".parse().unwrap()).await.unwrap().job.id;
    let (to, mut events) = mpsc::channel(1);
    let mut world = World::new(client, to);
    let text = |event| match event {
        Event::Answer(Answer::Done(text) | Answer::Failed(text)) => Some(text),
        _ => None,
    };
    world.ask(Ask::Do(Action::Hold(InstanceId::new("i-1").unwrap()), Some("a look".into())));
    assert!(until(&mut events, text).await.starts_with("i-1: "));
    world.ask(Ask::Do(Action::Drain(InstanceId::new("i-9").unwrap()), None));
    assert!(until(&mut events, text).await.contains("there is no instance i-9"));
    world.ask(Ask::Details(id.clone()));
    let details = until(&mut events, |event| match event {
        Event::Answer(Answer::Details { text, .. }) => Some(text),
        _ => None,
    });
    let details = details.await;
    assert!(details.contains("the quota is used up") && details.contains("history:"), "{details}");
    world.ask(Ask::Output(id.clone(), OutputStream::Stdout, 2));
    let mut shown = String::new();
    until(&mut events, |event| match event {
        Event::Answer(Answer::Output { text, .. }) => {
            shown.push_str(&text);
            shown.ends_with('\n').then_some(())
        }
        _ => None,
    })
    .await;
    assert_eq!(shown, "ld \\x1b[1m\n");
    world.ask(Ask::Do(Action::Kill(id), Some("enough".into())));
    assert!(until(&mut events, text).await.contains("cancelled"));
    until(&mut events, |event| matches!(event, Event::Answer(Answer::OutputEnded { .. })).then_some(()))
        .await;
    let finish = fake.look(|state| state.jobs[0].record.finish.clone());
    assert_eq!(finish, Some(Finish::Cancelled { reason: "enough".into() }));
}
