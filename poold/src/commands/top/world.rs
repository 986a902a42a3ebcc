//! Does what the screen asks for, and says what came of it.

use super::event::{Action, Answer, Ask, Event};
use crate::{
    client::Client,
    commands::{explain, failure::Failure, harmless::Filter},
    job::{JobKey, Moment},
};
use pool_core::{JobId, OutputStream};
use std::sync::Arc;
use tokio::{
    sync::mpsc::Sender,
    task::{JoinHandle, JoinSet},
};

#[derive(Debug)]
pub(super) struct World {
    client: Arc<Client>,
    to: Sender<Event>,
    tasks: JoinSet<()>,
    /// Of the output that is shown.
    output: Option<JoinHandle<()>>,
}

impl World {
    pub(super) fn new(client: Arc<Client>, to: Sender<Event>) -> Self {
        Self { client, to, tasks: JoinSet::new(), output: None }
    }

    /// Begins it; the answer comes as an event.
    pub(super) fn ask(&mut self, ask: Ask) {
        while self.tasks.try_join_next().is_some() {}
        let (client, to) = (Arc::clone(&self.client), self.to.clone());
        match ask {
            // Those are the loop's.
            Ask::Quit | Ask::Redraw => {}
            Ask::NoOutput => self.stop_output(),
            Ask::Details(job) => {
                self.tasks.spawn(async move { tell(&to, details(&client, job).await).await });
            }
            Ask::Do(action, reason) => {
                self.tasks.spawn(async move { tell(&to, act(&client, &action, reason).await).await });
            }
            Ask::Output(job, stream, offset) => {
                self.stop_output();
                self.output = Some(tokio::spawn(async move {
                    let ended = follow(&client, &job, stream, offset, &to).await;
                    let remark = ended.map_or_else(|failure| failure, |()| "it has ended".to_owned());
                    tell(&to, Answer::OutputEnded { job, stream, remark }).await;
                }));
            }
        }
    }

    fn stop_output(&mut self) {
        if let Some(task) = self.output.take() {
            task.abort();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop_output();
    }
}

/// Waits until the screen has room for it.
async fn tell(to: &Sender<Event>, answer: Answer) {
    // Nobody listens any more at the end.
    drop(to.send(Event::Answer(answer)).await);
}

fn failed(error: crate::client::ClientError) -> Answer {
    Answer::Failed(crate::say::with_causes(&Failure::from(error)))
}

async fn details(client: &Client, job: JobId) -> Answer {
    match client.explain(&JobKey::Id(job.clone())).await {
        Ok(explanation) => Answer::Details { job, text: explain::describe_all(explanation, Moment::now()) },
        Err(error) => failed(error),
    }
}

async fn act(client: &Client, action: &Action, reason: Option<String>) -> Answer {
    let (id, what) = match action {
        Action::Kill(job) => {
            return match client.kill(&JobKey::Id(job.clone()), reason).await {
                Ok(row) if row.state.is_final() => Answer::Done(format!("{job} is {}", row.state)),
                Ok(_) => Answer::Done(format!("{job} is being ended")),
                Err(error) => failed(error),
            };
        }
        Action::Hold(id) => (id, "hold"),
        Action::Drain(id) => (id, "drain"),
        Action::Run(id) => (id, "run"),
        Action::Destroy(id) => (id, "kill"),
    };
    match client.act_on_instance(id, what, reason).await {
        Ok(_) if what == "kill" => Answer::Done(format!("{id} is being destroyed")),
        Ok(row) => Answer::Done(format!("{id}: {}", row.idle_behavior)),
        Err(error) => failed(error),
    }
}

/// To its end, or the text of what went wrong.
async fn follow(
    client: &Client,
    job: &JobId,
    stream: OutputStream,
    offset: u64,
    to: &Sender<Event>,
) -> Result<(), String> {
    let mut output = client.output(&JobKey::Id(job.clone()), stream, None, true).from(offset);
    let mut filter = Filter::default();
    let more = |text: String| tell(to, Answer::Output { job: job.clone(), stream, text });
    loop {
        match output.next().await {
            Ok(Some(data)) => more(filter.pass(&data)).await,
            Ok(None) => {
                more(filter.finish()).await;
                return Ok(());
            }
            Err(error) => return Err(crate::say::with_causes(&Failure::from(error))),
        }
    }
}
