//! What commands do over a network is what they do over the socket.

use super::{
    Asked,
    kept::{Kept, parse, run},
};
use crate::{
    client::{
        Client,
        tests::front::{Certificates, Front},
    },
    commands::{LogsArguments, StatusArguments, SubmitArguments, WaitArguments},
    http::tests::fake::{Fake, Serving},
    job::Finish,
};
use pool_core::OutputStream;
use std::sync::atomic::Ordering;

impl Asked for Front {
    fn client(&self) -> Client {
        Self::client(self)
    }
}

#[tokio::test]
async fn commands_work_over_tls_and_over_plain_loopback() {
    for certificates in [Some(Certificates::new(&["127.0.0.1"])), None] {
        let fake = Fake::ending(Finish::Exited { code: 7 });
        let serving = Serving::new(&fake);
        let front = Front::new(serving.dir.path(), certificates).await;
        let came = run!(StatusArguments, &front, Kept::default(), []);
        assert!(came.code == 0 && came.stdout.contains("2 queued"), "{came:?}");
        let came = run!(SubmitArguments, &front, Kept::default(), ["--wait", "--", "true"]);
        assert_eq!((came.code, came.stderr.as_str()), (7, ""), "{came:?}");
    }
}

#[tokio::test]
async fn one_connection_serves_one_question_after_the_other() {
    let fake = Fake::ending(Finish::Exited { code: 0 });
    let serving = Serving::new(&fake);
    let front = Front::new(serving.dir.path(), Some(Certificates::new(&["127.0.0.1"]))).await;
    let client = front.client();
    for _ in 0..5 {
        client.status().await.unwrap();
    }
    assert!(client.job(&"77".parse().unwrap()).await.is_err());
    client.instances().await.unwrap();
    assert_eq!(front.accepted.load(Ordering::Relaxed), 1);
    // Two at once need two.
    let (a, b) = tokio::join!(client.status(), client.instances());
    assert!(a.is_ok() && b.is_ok());
    assert_eq!(front.accepted.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_replaced() {
    let serving = Serving::new(&Fake::new());
    let front = Front::new(serving.dir.path(), Some(Certificates::new(&["127.0.0.1"]))).await;
    let client = front.client();
    client.status().await.unwrap();
    let _front = front.restarted(serving.dir.path()).await;
    client.status().await.unwrap();
}

#[tokio::test]
async fn waiting_and_following_go_on_when_the_server_starts_anew() {
    let fake = Fake::new();
    let mut serving = Serving::new(&fake);
    let front = Front::new(serving.dir.path(), Some(Certificates::new(&["127.0.0.1"]))).await;
    run!(SubmitArguments, &front, Kept::default(), ["--", "true"]);
    fake.begin(1);
    fake.print(1, OutputStream::Stdout, b"before\n");
    let kept = Kept::default();
    let follow = async { run!(LogsArguments, &front, kept.clone(), ["-f", "1"]) };
    let waits: WaitArguments = parse(&["1"]).unwrap();
    let waits = waits.run(front.client());
    let story = async {
        kept.until(OutputStream::Stdout, "before\n").await;
        // Both outputs and the end.
        fake.until_waiting(3).await;
        serving.stop().await;
        serving.restart(&fake);
        fake.print(1, OutputStream::Stdout, b"after\n");
        fake.end(1, Finish::Exited { code: 0 });
    };
    let (came, code, ()) = tokio::join!(follow, waits, story);
    assert_eq!((came.code, came.stdout.as_str(), code.unwrap()), (0, "before\nafter\n", 0), "{came:?}");
}
