//! Connections to the daemon, and how they begin and end.

use super::{Runner, Scene, daemon::Told};
use crate::sim::{SimEvent, line::ChannelId};
use pool_protocol::{FrameBuffer, HelloToPool, HelloToRunner, Refusal, ToPool, ToRunner};
use std::time::Duration;

/// How long a connection may take to say hello.
pub(super) const HELLO_TIMEOUT: Duration = Duration::from_secs(30);

/// How far a connection is. One that is closed is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Nothing was said.
    New,
    /// A pool has said hello.
    Attached,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) program: u32,
    pub(super) stage: Stage,
    /// What the pool was last told about the worker's being broken.
    told_broken: Option<String>,
    input: FrameBuffer,
}

impl Session {
    pub(super) fn new(program: u32) -> Self {
        Self { program, stage: Stage::New, told_broken: None, input: FrameBuffer::new() }
    }
}

impl Runner {
    pub(super) fn is_attached(&self) -> bool {
        self.sessions.values().any(|session| session.stage == Stage::Attached)
    }

    /// Says it to whoever is attached.
    pub(super) fn say_to_all(&self, frame: &ToPool, scene: &mut Scene) {
        for (channel, session) in &self.sessions {
            if session.stage == Stage::Attached {
                scene.say(*channel, frame);
            }
        }
    }

    /// Takes bytes that have come.
    pub(in crate::sim) fn receive(&mut self, channel: ChannelId, bytes: &[u8], scene: &mut Scene) {
        if let Some(session) = self.sessions.get_mut(&channel) {
            session.input.push(bytes);
        }
        // A frame can close its own session, and others.
        while let Some(session) = self.sessions.get_mut(&channel) {
            match session.input.next_frame::<ToRunner>() {
                Ok(Some(frame)) => {
                    scene.frames_taken += 1;
                    match (session.stage, frame) {
                        (Stage::Attached, frame) => self.request(channel, frame, scene),
                        (Stage::New, ToRunner::Hello(hello)) => self.hello(channel, &hello, scene),
                        (Stage::New, _) => self.refuse(channel, Refusal::NoHello, scene),
                    }
                }
                Ok(None) => break,
                Err(_) if session.stage == Stage::Attached => self.close(channel, scene),
                Err(_) => self.refuse(channel, Refusal::NoHello, scene),
            }
        }
        self.look_after_orphan(scene);
    }

    /// The other side has ended its input, or the channel: what it said before was heard.
    pub(in crate::sim) fn end_of_input(&mut self, channel: ChannelId, scene: &mut Scene) {
        self.close(channel, scene);
        self.look_after_orphan(scene);
    }

    /// A connection is gone, with all its channels.
    pub(in crate::sim) fn drop_sessions(&mut self, of: impl Fn(ChannelId) -> bool, scene: &mut Scene) {
        let channels: Vec<ChannelId> = self.sessions.keys().copied().filter(|channel| of(*channel)).collect();
        for channel in channels {
            self.remove(channel, scene);
        }
        self.look_after_orphan(scene);
    }

    pub(super) fn drop_all_sessions(&mut self, scene: &mut Scene) {
        while let Some(channel) = self.sessions.keys().next().copied() {
            self.remove(channel, scene);
        }
    }

    /// Ends a session; what was said before comes through.
    pub(super) fn close(&mut self, channel: ChannelId, scene: &mut Scene) {
        if self.remove(channel, scene) {
            scene.end_channel(channel);
        }
    }

    fn remove(&mut self, channel: ChannelId, scene: &mut Scene) -> bool {
        let Some(session) = self.sessions.remove(&channel) else { return false };
        self.reads.retain(|waiting| waiting.channel != channel);
        if session.stage == Stage::Attached {
            let instance = scene.instance.clone();
            scene.emit(SimEvent::SessionClosed { instance, program: session.program });
        }
        true
    }

    fn refuse(&mut self, channel: ChannelId, refusal: Refusal, scene: &mut Scene) {
        if let Some(session) = self.sessions.get(&channel) {
            let refusal = match &refusal {
                Refusal::StaleEpoch { highest } => format!("stale epoch, the highest is {highest}"),
                Refusal::OtherInstanceSet { instance_set } => format!("of instance set {instance_set}"),
                Refusal::Version { newest, oldest } => format!("speaks protocol {oldest} to {newest}"),
                Refusal::NoHello => "no hello".to_owned(),
            };
            let (instance, program) = (scene.instance.clone(), session.program);
            scene.emit(SimEvent::SessionRefused { instance, program, refusal });
        }
        scene.say(channel, &ToPool::Refused { refusal });
        self.close(channel, scene);
    }

    fn hello(&mut self, channel: ChannelId, hello: &HelloToRunner, scene: &mut Scene) {
        let version = match hello.accept(self.told.as_ref().map(|told| (&told.instance_set, told.epoch))) {
            Ok(version) => version,
            Err(refusal) => return self.refuse(channel, refusal, scene),
        };
        if self.told.as_ref().is_some_and(|told| told.held) != hello.held {
            scene.emit(SimEvent::Held { instance: scene.instance.clone(), held: hello.held });
        }
        self.told = Some(Told {
            instance_set: hello.instance_set.clone(),
            epoch: hello.epoch,
            held: hello.held,
            orphan_timeout: Duration::from_millis(hello.orphan_timeout_ms),
            power_off: hello.power_off.clone(),
        });
        // All of a lower epoch, and an older one of the same: that is a connection that its pool has lost.
        let others: Vec<ChannelId> = self
            .sessions
            .iter()
            .filter(|(other, session)| **other != channel && session.stage == Stage::Attached)
            .map(|(other, _)| *other)
            .collect();
        for other in others {
            self.close(other, scene);
        }
        if let Some(session) = self.sessions.get_mut(&channel) {
            session.stage = Stage::Attached;
            let (instance, program) = (scene.instance.clone(), session.program);
            scene.emit(SimEvent::SessionOpened { instance, program, epoch: hello.epoch });
        }
        let own = HelloToPool {
            version,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            program_hash: "0".repeat(64),
            pid: 1,
        };
        scene.say(channel, &ToPool::Hello(own));
        for (run, end) in self.ended(&hello.instance_set) {
            scene.say(channel, &ToPool::Exited { run: run.clone(), end: Box::new(end.clone()) });
        }
        self.tell_if_broken(scene);
    }

    /// Tells each pool once of each change.
    pub(super) fn tell_if_broken(&mut self, scene: &mut Scene) {
        for (channel, session) in &mut self.sessions {
            if session.stage == Stage::Attached && session.told_broken != self.broken {
                if let Some(reason) = self.broken.clone() {
                    scene.say(*channel, &ToPool::Broken { reason });
                }
                session.told_broken.clone_from(&self.broken);
            }
        }
    }
}
