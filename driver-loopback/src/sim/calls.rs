//! Calls to the provider: on their way, carried out, and answered.

use super::{
    SimEvent,
    chance::{draw, happens},
    state::{State, What},
};
use crate::{
    LoopbackError, Operation,
    model::{Admission, Call, Record},
};
use pool_api::{CreateRequest, HostKeyVerdict, InstanceId, Lifecycle, Tags};
use std::time::Duration;
use tokio::sync::oneshot;

/// What a call asks for.
#[derive(Debug)]
pub(super) enum Request {
    Create(Box<CreateRequest>),
    List(Tags),
    Destroy(InstanceId),
    SetTags(InstanceId, Tags),
}

/// What it is answered.
#[derive(Debug)]
pub(super) enum Answer {
    Created(Box<Record>),
    Listed(Vec<Record>),
    Done,
}

pub(super) type Reply = Result<Answer, LoopbackError>;

/// A call that is under way. It goes on when its caller does not.
#[derive(Debug)]
pub(super) struct PendingCall {
    number: u64,
    program: u32,
    made: Duration,
    request: Request,
    /// None when it is late: then nothing happens to it any more.
    fate: Option<Call>,
    reply: Option<oneshot::Sender<Reply>>,
    list: PartOfList,
}

/// As much of a list as was read.
#[derive(Debug, Default)]
struct PartOfList {
    records: Vec<Record>,
    repeated: Vec<Record>,
}

/// A question about a host key.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) instance: InstanceId,
    pub(super) openssh: String,
    pub(super) reply: oneshot::Sender<Result<HostKeyVerdict, LoopbackError>>,
}

impl Request {
    fn operation(&self) -> Operation {
        match self {
            Self::Create(_) => Operation::Create,
            Self::List(_) => Operation::List,
            Self::Destroy(_) => Operation::Destroy,
            Self::SetTags(..) => Operation::SetTags,
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Create(request) => format!(
                "{} in {:?}, token {}",
                request.instance_type.provider_type,
                request.placement.as_str(),
                request.token
            ),
            Self::List(_) => "all".to_owned(),
            Self::Destroy(id) => id.to_string(),
            Self::SetTags(id, tags) => format!("{} of {id}", tags.len()),
        }
    }
}

fn outcome(reply: &Reply) -> String {
    match reply {
        Ok(Answer::Created(record)) => record.id.to_string(),
        Ok(Answer::Listed(records)) => format!("{} instances", records.len()),
        Ok(Answer::Done) => "ok".to_owned(),
        Err(error) => error.to_string(),
    }
}

impl State {
    /// Sends a call off. The answer comes through the channel.
    pub(super) fn call(&mut self, program: u32, request: Request) -> oneshot::Receiver<Reply> {
        let made = self.clock.read();
        let operation = request.operation();
        let count = match operation {
            Operation::Create => &mut self.counters.creates,
            Operation::List => &mut self.counters.lists,
            Operation::Destroy => &mut self.counters.destroys,
            Operation::SetTags => &mut self.counters.set_tags,
        };
        *count += 1;
        let number = self.number();
        self.emit(&SimEvent::Called { program, call: number, operation, what: request.what() });
        let fate = self.cloud.call(operation, self.clock.model());
        let latency = draw(&mut self.chance.calls, &self.options.call_latency);
        let delay = Duration::from_millis(super::chance::millis(fate.delay));
        let (reply, answer) = oneshot::channel();
        let call = PendingCall {
            number,
            program,
            made,
            request,
            fate: Some(fate),
            reply: Some(reply),
            list: PartOfList::default(),
        };
        self.after(latency + delay, What::Request(Box::new(call)));
        answer
    }

    pub(super) fn request_arrives(&mut self, mut call: Box<PendingCall>) {
        match call.fate.as_mut().map_or(Ok(()), Call::arrive) {
            Ok(()) => {}
            // It is not here, but its caller learns that nothing comes.
            Err(error @ LoopbackError::NoAnswer { .. }) => {
                self.lose_request(call, error);
                return;
            }
            Err(error) => return self.finish(call, Err(error)),
        }
        let program = call.program;
        let reply = match &call.request {
            Request::Create(request) => {
                self.create(program, request).map(|record| Answer::Created(Box::new(record)))
            }
            Request::List(_) => return self.read_page(call),
            Request::Destroy(id) => {
                let id = id.clone();
                self.destroy(program, &id);
                Ok(Answer::Done)
            }
            Request::SetTags(id, tags) => self.set_tags(program, id, tags).map(|()| Answer::Done),
        };
        self.finish(call, reply);
    }

    /// A request that got lost: the caller is told that no answer comes. A create may turn up later.
    fn lose_request(&mut self, mut call: Box<PendingCall>, error: LoopbackError) {
        let late = self.options.lost_create_arrives_after;
        let lost = PendingCall {
            number: call.number,
            program: call.program,
            made: call.made,
            request: Request::List(Tags::new()),
            fate: None,
            reply: call.reply.take(),
            list: PartOfList::default(),
        };
        self.respond(Box::new(lost), Err(error));
        if !late.is_zero() && matches!(call.request, Request::Create(_)) {
            call.fate = None;
            let at = (call.made + late).max(self.clock.time());
            self.at(at, What::Request(call));
        }
    }

    /// Reads a page; the next one after a while, if there is one.
    pub(super) fn read_page(&mut self, mut call: Box<PendingCall>) {
        let Request::List(filter) = &call.request else { return };
        let after = call.list.records.last().map(|record| record.id.clone());
        let mut rest: Vec<Record> = self.cloud.list(filter, self.clock.model());
        // They come by id.
        rest.retain(|record| after.as_ref().is_none_or(|after| record.id > *after));
        let size = self.options.page_size.max(1);
        let is_last = rest.len() <= size;
        rest.truncate(size);
        for record in &rest {
            if happens(&mut self.chance.lists, self.options.repeated_entry_rate) {
                call.list.repeated.push(record.clone());
            }
        }
        call.list.records.append(&mut rest);
        if is_last {
            let PartOfList { mut records, repeated } = std::mem::take(&mut call.list);
            records.extend(repeated);
            self.finish(call, Ok(Answer::Listed(records)));
        } else {
            let latency = draw(&mut self.chance.calls, &self.options.call_latency);
            self.after(latency, What::Page(call));
        }
    }

    /// Says that a call was carried out or refused, and sends the answer.
    fn finish(&mut self, mut call: Box<PendingCall>, reply: Reply) {
        self.emit(&SimEvent::Arrived {
            call: call.number,
            program: call.program,
            operation: call.request.operation(),
            outcome: outcome(&reply),
            done: reply.is_ok(),
        });
        let reply = match call.fate.take() {
            Some(fate) => fate.respond(reply),
            None => reply,
        };
        self.respond(call, reply);
    }

    fn respond(&mut self, call: Box<PendingCall>, reply: Reply) {
        if call.reply.is_some() {
            let latency = draw(&mut self.chance.calls, &self.options.call_latency);
            self.after(latency, What::Response(call, reply));
        }
    }

    pub(super) fn response_arrives(&mut self, mut call: PendingCall, reply: Reply) {
        let Some(listener) = call.reply.take().filter(|listener| !listener.is_closed()) else { return };
        let outcome = outcome(&reply);
        if listener.send(reply).is_ok() {
            self.emit(&SimEvent::Answered { call: call.number, program: call.program, outcome });
        }
    }

    fn create(&mut self, program: u32, request: &CreateRequest) -> Result<Record, LoopbackError> {
        russh::keys::PublicKey::from_openssh(request.public_key.0.trim())
            .map_err(LoopbackError::BadPublicKey)?;
        let fresh = self.fresh_id();
        let today = self.provider_clock();
        match self.cloud.admit(request, fresh, self.clock.model(), today)? {
            Admission::Known(id) => {
                let known = self.cloud.get(&id).cloned();
                known.ok_or(LoopbackError::NoSuchInstance { id })
            }
            Admission::New(record) => {
                self.begin_life(program, &record, &request.init_command);
                Ok(*record)
            }
        }
    }

    fn destroy(&mut self, program: u32, id: &InstanceId) {
        let Some(machine) = self.machines.get_mut(id) else { return };
        if std::mem::replace(&mut machine.being_destroyed, true) {
            return;
        }
        let Some(record) = self.cloud.get(id) else { return };
        let (lifecycle, tags) = (record.lifecycle, record.tags.clone());
        self.emit(&SimEvent::DestroyBegun { instance: id.clone(), program, lifecycle, tags });
        self.set_lifecycle(id, Lifecycle::Stopping);
        self.begin_end(id);
    }

    fn set_tags(&mut self, program: u32, id: &InstanceId, tags: &Tags) -> Result<(), LoopbackError> {
        self.cloud.set_tags(id, tags, self.clock.model())?;
        self.emit(&SimEvent::TagsSet { instance: id.clone(), tags: tags.clone(), program });
        Ok(())
    }

    /// Asks the provider about a host key.
    pub(super) fn ask_about_host_key(
        &mut self,
        instance: InstanceId,
        openssh: String,
    ) -> oneshot::Receiver<Result<HostKeyVerdict, LoopbackError>> {
        self.clock.read();
        self.counters.host_keys += 1;
        let (reply, answer) = oneshot::channel();
        let latency = draw(&mut self.chance.calls, &self.options.call_latency)
            + draw(&mut self.chance.calls, &self.options.call_latency);
        self.after(latency, What::HostKey(Box::new(Asked { instance, openssh, reply })));
        answer
    }

    pub(super) fn answer_about_host_key(&mut self, asked: Asked) {
        let Asked { instance, openssh, reply } = asked;
        let verdict = match self.machines.get(&instance) {
            None => Err(LoopbackError::NoSuchInstance { id: instance }),
            Some(machine) if machine.own_key.openssh == openssh => Ok(HostKeyVerdict::Genuine),
            Some(_) => Ok(HostKeyVerdict::Forged),
        };
        // Nobody may listen any more.
        let _ = reply.send(verdict);
    }
}
