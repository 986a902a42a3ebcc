//! What the pool asks, and what it is answered.

use super::{Runner, Scene, output::Read};
use crate::sim::{SimEvent, line::ChannelId};
use pool_api::{JobSpec, RunId};
use pool_protocol::{KillTimes, RequestError, RequestId, ToPool, ToRunner, check_spec};

impl Runner {
    /// Handles what comes after a hello.
    pub(super) fn request(&mut self, channel: ChannelId, frame: ToRunner, scene: &mut Scene) {
        let (request, result) = match frame {
            ToRunner::Hello(_) => return self.close(channel, scene),
            ToRunner::Read { request, run, stream, offset, limit, wait } => {
                return self.read(channel, request, Read { run, stream, offset, limit }, wait, scene);
            }
            ToRunner::List { request } => {
                let Some(told) = &self.told else { return };
                let runs = self.reports(&told.instance_set);
                return scene.say(channel, &ToPool::Runs { request, runs, broken: self.broken.clone() });
            }
            ToRunner::Start { request, run, spec } => {
                return self.start(channel, request, run, &spec, scene);
            }
            ToRunner::Kill { request, run, reason, times } => {
                (request, self.kill(&run, reason, times, scene))
            }
            ToRunner::Forget { request, run } => (request, self.forget(&run, scene)),
            ToRunner::Hold { request, held } => {
                self.hold(held, scene);
                (request, Ok(()))
            }
            ToRunner::Exit { request } => {
                if !self.any_going_on() {
                    scene.say(channel, &ToPool::Done { request });
                    return self.leave(scene);
                }
                (request, Err(RequestError::StillRunning))
            }
        };
        let frame = match result {
            Ok(()) => ToPool::Done { request },
            Err(error) => ToPool::Failed { request, error },
        };
        scene.say(channel, &frame);
    }

    fn hold(&mut self, held: bool, scene: &mut Scene) {
        if let Some(told) = self.told.as_mut().filter(|told| told.held != held) {
            told.held = held;
            scene.emit(SimEvent::Held { instance: scene.instance.clone(), held });
        }
    }

    fn start(
        &mut self,
        channel: ChannelId,
        request: RequestId,
        run: RunId,
        spec: &JobSpec,
        scene: &mut Scene,
    ) {
        let is_new = !self.runs.contains_key(&run);
        if is_new {
            let result = check_spec(spec).and_then(|()| self.begin_run(channel, &run, spec, scene));
            if let Err(error) = result {
                return scene.say(channel, &ToPool::Failed { request, error });
            }
        }
        let Some(known) = self.runs.get(&run) else { return };
        // One that has just been started and has ended at once was recorded all the same.
        if known.is_locked() && !is_new {
            let detail = "its record cannot be read: forget it first".to_owned();
            let error = RequestError::NotRecorded { detail };
            return scene.say(channel, &ToPool::Failed { request, error });
        }
        scene.say(channel, &ToPool::Done { request });
        let has_begun = known.has_begun();
        let end = known.end().cloned();
        if is_new && has_begun {
            self.say_to_all(&ToPool::Started { run: run.clone() }, scene);
        }
        if let Some(end) = end {
            scene.say(channel, &ToPool::Exited { run, end: Box::new(end) });
        }
    }

    fn kill(
        &mut self,
        run: &RunId,
        reason: String,
        times: KillTimes,
        scene: &mut Scene,
    ) -> Result<(), RequestError> {
        if !self.runs.contains_key(run) {
            return Err(RequestError::UnknownRun);
        }
        let (instance, told) = (scene.instance.clone(), reason.clone());
        scene.emit(SimEvent::KillAsked { instance, run: run.clone(), reason: told });
        self.begin_ending(run, reason, times, scene);
        Ok(())
    }

    fn forget(&mut self, run: &RunId, scene: &mut Scene) -> Result<(), RequestError> {
        if self.runs.get(run).is_some_and(super::runs::Run::goes_on) {
            return Err(RequestError::StillRunning);
        }
        let known = self.runs.remove(run).is_some();
        scene.emit(SimEvent::RunForgotten { instance: scene.instance.clone(), run: run.clone(), known });
        Ok(())
    }
}
