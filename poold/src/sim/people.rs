//! The people who use the program: they submit jobs, and ask again until they are answered, whatever becomes of the
//! program meanwhile.

use super::{
    setting::{Action, PlannedAction, Setting},
    shared::Shared,
};
use crate::{
    api::{InstanceAction, Service, ServiceError, Submission},
    dispatcher::Handle,
    job::{JobKey, JobRequest},
};
use driver_loopback::sim::SimCloud;
use pool_core::{InstanceId, JobId};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// From one look at whether the program knows its instances to the next.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What they want and what they have been told. Outlives the program.
#[derive(Clone)]
pub(crate) struct People(Arc<Mutex<Wishes>>);

struct Wishes {
    submissions: Vec<Wish<(String, Vec<JobRequest>)>>,
    actions: Vec<Wish<PlannedAction>>,
    /// By the place of a job in the setting.
    ids: Vec<Option<JobId>>,
}

struct Wish<T> {
    at: Duration,
    what: T,
    /// The first job's place, of a submission.
    first: usize,
    answered: bool,
}

impl People {
    pub(crate) fn new(setting: &Setting) -> Self {
        let mut submissions: Vec<Wish<(String, Vec<JobRequest>)>> = Vec::new();
        for (place, job) in setting.jobs.iter().enumerate() {
            match submissions.last_mut() {
                Some(last) if last.at == job.at => last.what.1.push(job.request.clone()),
                _ => submissions.push(Wish {
                    at: job.at,
                    what: (format!("from {place}"), vec![job.request.clone()]),
                    first: place,
                    answered: false,
                }),
            }
        }
        let actions = setting.actions.iter().map(|action| Wish {
            at: action.at,
            what: action.clone(),
            first: 0,
            answered: false,
        });
        let wishes = Wishes { submissions, actions: actions.collect(), ids: vec![None; setting.jobs.len()] };
        Self(Arc::new(Mutex::new(wishes)))
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When they want something next, after a moment.
    pub(crate) fn next_after(&self, now: Option<Duration>) -> Option<Duration> {
        let wishes = self.wishes();
        let submissions = wishes.submissions.iter().map(|wish| wish.at);
        let actions = wishes.actions.iter().map(|wish| wish.at);
        submissions.chain(actions).filter(|at| now.is_none_or(|now| *at > now)).min()
    }

    /// The jobs that were submitted.
    pub(crate) fn jobs(&self) -> Vec<(usize, JobId)> {
        let ids = self.wishes().ids.clone();
        ids.into_iter().enumerate().filter_map(|(place, id)| Some((place, id?))).collect()
    }

    /// Whether they have had all the answers that they want.
    pub(crate) fn are_content(&self) -> bool {
        let wishes = self.wishes();
        wishes.submissions.iter().all(|wish| wish.answered) && wishes.actions.iter().all(|wish| wish.answered)
    }

    /// Asks for all that is due and has no answer: `from` (none: since the beginning) to `until`.
    pub(crate) fn ask(
        &self,
        from: Option<Duration>,
        until: Duration,
        handle: &Handle,
        cloud: &SimCloud,
        shared: &Shared,
    ) {
        let is_due =
            |at: Duration, answered: bool| !answered && from.is_none_or(|from| at > from) && at <= until;
        let wishes = self.wishes();
        let asker = Asker {
            people: self.clone(),
            handle: handle.clone(),
            cloud: cloud.clone(),
            shared: shared.clone(),
        };
        for (at, wish) in wishes.submissions.iter().enumerate() {
            if is_due(wish.at, wish.answered) {
                let (request_id, jobs) = wish.what.clone();
                tokio::spawn(asker.clone().submit(
                    at,
                    wish.first,
                    Submission { request_id: Some(request_id), jobs },
                ));
            }
        }
        for (at, wish) in wishes.actions.iter().enumerate() {
            if is_due(wish.at, wish.answered) {
                tokio::spawn(asker.clone().act(at, wish.what.action));
            }
        }
    }
}

/// Somebody who asks for one thing.
#[derive(Clone)]
struct Asker {
    people: People,
    handle: Handle,
    cloud: SimCloud,
    shared: Shared,
}

impl Asker {
    async fn submit(self, at: usize, first: usize, submission: Submission) {
        let count = submission.jobs.len();
        match self.handle.submit(submission).await {
            Ok(submitted) => {
                let now = self.cloud.now();
                self.shared.tell(now, format_args!("people: {count} jobs are submitted from {first} on"));
                if submitted.ids.len() != count {
                    let answered = submitted.ids.len();
                    self.shared.check(|checker| {
                        checker.broken("invariant_durable", format!("{answered} ids for {count} jobs"));
                    });
                }
                let mut wishes = self.people.wishes();
                for (place, id) in (first..).zip(submitted.ids) {
                    wishes.ids[place] = Some(id);
                }
                wishes.submissions[at].answered = true;
            }
            // The program ends: it is asked again in its next life.
            Err(error) if error.code == crate::api::ErrorCode::Stopping => {}
            Err(error) => self.complain("a submission", &error),
        }
    }

    async fn act(self, at: usize, action: Action) {
        let now = self.cloud.now();
        self.shared.tell(now, format_args!("people: {action:?}"));
        let result = match action {
            Action::KillJob(place) => match self.key(place) {
                Some(key) => self.handle.kill(key, "somebody wants it".to_owned()).await.map(drop),
                None => Ok(()),
            },
            Action::Priority(place, priority) => match self.key(place) {
                Some(key) => self.handle.set_priority(key, priority).await.map(drop),
                None => Ok(()),
            },
            Action::Hold(which) => self.hold(which).await,
            Action::Drain(which) => self.on_instance(which, InstanceAction::Drain).await,
            Action::KillInstance(which) => {
                self.on_instance(which, InstanceAction::Kill { reason: "somebody wants it".to_owned() }).await
            }
            Action::ReleaseAll => self.release_all().await,
        };
        match result {
            Err(error) if error.code == crate::api::ErrorCode::Stopping => {}
            Err(error) if is_expected(&error) => self.answered(at),
            Err(error) => self.complain("a request", &error),
            Ok(()) => self.answered(at),
        }
    }

    fn answered(&self, at: usize) {
        self.people.wishes().actions[at].answered = true;
    }

    fn complain(&self, what: &str, error: &ServiceError) {
        let message = format!("{what} was refused: {}", error.message);
        self.shared.check(|checker| checker.broken("invariant_answers", message));
    }

    fn key(&self, place: usize) -> Option<JobKey> {
        self.people.wishes().ids[place].clone().map(JobKey::Id)
    }

    async fn instance(&self, which: usize) -> Option<InstanceId> {
        let rows = self.handle.instances().await.ok()?;
        let ids: Vec<InstanceId> =
            rows.into_iter().filter(|row| row.worker_state != "shutdown").filter_map(|row| row.id).collect();
        (!ids.is_empty()).then(|| ids[which % ids.len()].clone())
    }

    async fn hold(&self, which: usize) -> Result<(), ServiceError> {
        let Some(id) = self.instance(which).await else { return Ok(()) };
        self.shared.check(|checker| checker.hold(self.cloud.now(), &id, false));
        let row = self.handle.act_on_instance(id.clone(), InstanceAction::Hold).await?;
        // Somebody else may have released it meanwhile, or it is on its way out.
        if row.idle_behavior == "hold" && row.worker_state != "shutdown" {
            self.shared.check(|checker| checker.hold(self.cloud.now(), &id, true));
        }
        Ok(())
    }

    async fn on_instance(&self, which: usize, action: InstanceAction) -> Result<(), ServiceError> {
        let Some(id) = self.instance(which).await else { return Ok(()) };
        self.shared.check(|checker| checker.let_go(&id));
        self.handle.act_on_instance(id, action).await.map(drop)
    }

    async fn release_all(&self) -> Result<(), ServiceError> {
        // A program that has just started knows of none.
        while !self.handle.status().await?.loaded {
            tokio::time::sleep(ASK_AGAIN).await;
        }
        let rows = self.handle.instances().await?;
        for id in rows.into_iter().filter(|row| row.idle_behavior == "hold").filter_map(|row| row.id) {
            self.shared.check(|checker| checker.let_go(&id));
            match self.handle.act_on_instance(id, InstanceAction::Run).await {
                Err(error) if !is_expected(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What people are told of things that have come to their end meanwhile, or that are not saved yet.
fn is_expected(error: &ServiceError) -> bool {
    use crate::api::ErrorCode;
    match error.code {
        ErrorCode::NotFound | ErrorCode::Conflict => true,
        // It is tried on.
        ErrorCode::Internal => error.message.contains("has not saved it within"),
        _ => false,
    }
}
