//! Operations that take time:
//! <https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/async-operations>.

use super::{Cloud, Event, id::uuid, state::Key};
use crate::{
    clock::timestamp,
    http::{Answer, ApiError, Area, Kind},
};
use serde_json::{Value, json};
use std::time::SystemTime;

/// An operation.
pub(super) struct Operation {
    /// Under which path it is to be found.
    area: Area,
    start: SystemTime,
    end: Option<SystemTime>,
    pub(super) failure: Option<Failure>,
    /// What it does when it ends.
    pub(super) effect: Option<Effect>,
    /// The resource that it is about, for who asks for the result.
    result: Option<(Kind, Key)>,
}

/// Why an operation has failed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) message: String,
}

/// What an operation does when it ends. The number is that of the resource when it started: the one with that
/// name may be another one by then.
#[derive(Debug)]
pub(super) enum Effect {
    /// The machine runs, or has failed.
    Create { key: Key, serial: u64, failure: Option<Failure> },
    /// The machine is as it was before.
    Update { key: Key, serial: u64 },
    /// The machine has this power state.
    Power { key: Key, serial: u64, state: &'static str },
    /// The machine is gone.
    Delete { key: Key, serial: u64 },
    /// The part is gone.
    DeletePart { kind: Kind, key: Key, serial: u64 },
    /// Nothing: it was done at once.
    Nothing,
}

/// How an operation is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// By `Azure-AsyncOperation` alone.
    Status,
    /// By `Location` too.
    Both,
}

impl Cloud {
    /// Starts an operation. It ends by itself.
    pub(super) fn start(&mut self, area: Area, effect: Effect, result: Option<(Kind, Key)>) -> String {
        let id = uuid(self.number());
        let operation = Operation {
            area,
            start: SystemTime::now(),
            end: None,
            failure: None,
            effect: Some(effect),
            result,
        };
        self.operations.insert(id.clone(), operation);
        self.under_way += 1;
        self.later.push((self.settings.operation_time, Event::Finish { operation: id.clone() }));
        id
    }

    /// Adds to an answer where the operation is to be watched.
    pub(super) fn watched(&self, answer: Answer, area: Area, id: &str, told: Told, version: &str) -> Answer {
        let (namespace, status) = match area {
            Area::Machines => ("Microsoft.Compute", "operations"),
            Area::Disks => ("Microsoft.Compute", "DiskOperations"),
            Area::Network => ("Microsoft.Network", "operations"),
        };
        let locations = format!(
            "{}/subscriptions/{}/providers/{namespace}/locations/{}",
            self.url, self.settings.subscription, self.settings.location
        );
        let answer = answer
            .with("azure-asyncoperation", format!("{locations}/{status}/{id}?api-version={version}"))
            .with("azure-asyncnotification", "Enabled")
            .with("retry-after", self.settings.retry_after.to_string());
        match (told, area) {
            (Told::Status, _) => answer,
            (Told::Both, Area::Network) => {
                answer.with("location", format!("{locations}/operationResults/{id}?api-version={version}"))
            }
            (Told::Both, _) => answer
                .with("location", format!("{locations}/{status}/{id}?monitor=true&api-version={version}")),
        }
    }

    fn operation(&self, area: Area, id: &str) -> Result<&Operation, ApiError> {
        let found = self.operations.get(&id.to_lowercase()).filter(|operation| operation.area == area);
        found.ok_or_else(|| ApiError::new(404, "NotFound", "The entity was not found."))
    }

    /// How an operation is: the form of `Azure-AsyncOperation`.
    pub(super) fn operation_status(&self, area: Area, id: &str) -> Result<Answer, ApiError> {
        let operation = self.operation(area, id)?;
        let mut body = json!({
            "startTime": timestamp(operation.start),
            "status": operation.status(),
            "name": id,
        });
        if let Some(end) = operation.end {
            body["endTime"] = timestamp(end).into();
        }
        if let Some(failure) = &operation.failure {
            body["error"] = failure.body();
        }
        let answer = Answer::ok(body);
        Ok(if operation.end.is_some() {
            answer
        } else {
            answer.with("retry-after", self.settings.retry_after.to_string())
        })
    }

    /// What an operation has led to: the form of `Location`, which is 202 until then.
    pub(super) fn operation_result(&self, area: Area, id: &str, version: &str) -> Result<Answer, ApiError> {
        let operation = self.operation(area, id)?;
        if operation.end.is_none() {
            return Ok(self.watched(Answer::empty(202), area, id, Told::Both, version));
        }
        if let Some(Failure { code, message }) = &operation.failure {
            return Err(ApiError::new(409, code, message.as_str()));
        }
        let Some((kind, key)) = &operation.result else { return Ok(Answer::empty(204)) };
        let resource = match kind {
            Kind::Machine => self.machines.get(key).map(|machine| machine.resource.clone()),
            kind => self.parts(*kind).get(key).map(|part| part.resource.clone()),
        };
        Ok(resource.map_or_else(|| Answer::empty(204), Answer::ok))
    }
}

const PREEMPTED: &str = "OperationPreempted";

impl Operation {
    pub(super) fn end(&mut self, failure: Option<Failure>) {
        self.end = Some(SystemTime::now());
        self.failure = failure;
    }

    pub(super) fn forget_result(&mut self) {
        self.result = None;
    }

    fn status(&self) -> &'static str {
        match (self.end, &self.failure) {
            (None, _) => "InProgress",
            (Some(_), None) => "Succeeded",
            (Some(_), Some(failure)) if failure.code == PREEMPTED => "Canceled",
            (Some(_), Some(_)) => "Failed",
        }
    }
}

impl Failure {
    /// An operation that a later one has overtaken. It counts as canceled, as in
    /// <https://github.com/Azure/azure-sdk-for-java/issues/1783>, where a machine was deleted while it was
    /// made.
    pub(super) fn preempted() -> Self {
        Failure {
            code: PREEMPTED.into(),
            message: "The operation has been preempted by a more recent operation.".into(),
        }
    }

    pub(super) fn body(&self) -> Value {
        json!({ "code": self.code, "message": self.message })
    }
}
