//! A session with a runner, as the pool holds one.

use crate::error::BenchError;
use executor_ssh::SshExecutor;
use pool_api::{Channel, ChannelEvent, ChannelReader, ChannelWriter, Command, Executor as _, InstanceSetId};
use pool_protocol::{
    FrameBuffer, HelloToRunner, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, RequestId, ToPool, ToRunner,
    encode,
};

/// A conversation with `pool-runner attach`, on which both sides have introduced themselves.
pub(crate) struct Conversation {
    writer: Box<dyn ChannelWriter>,
    reader: Box<dyn ChannelReader>,
    frames: FrameBuffer,
    last_request: RequestId,
}

impl Conversation {
    /// Attaches to the daemon of this worker's root, which is started if need be. `root` is a word for the shell.
    pub(crate) async fn open(executor: &SshExecutor, root: &str) -> Result<Self, BenchError> {
        let program = std::env::current_exe().map_err(BenchError::failed("find this program"))?;
        let program = shlex::try_quote(&program.to_string_lossy())
            .map_err(BenchError::failed("quote this program's path"))?
            .into_owned();
        let line = format!("exec {program} runner attach --root {root}");
        let channel = executor.open(Command::new(line)).await;
        let Channel { writer, reader } = channel.map_err(BenchError::failed("attach to a runner"))?;
        let mut conversation = Self { writer, reader, frames: FrameBuffer::new(), last_request: 0 };
        let hello = ToRunner::Hello(HelloToRunner {
            version: PROTOCOL_VERSION,
            oldest_version: OLDEST_PROTOCOL_VERSION,
            instance_set: InstanceSetId::new("bench").map_err(BenchError::failed("name an instance set"))?,
            epoch: 1,
            orphan_timeout_ms: 600_000,
            held: false,
            power_off: None,
        });
        let hello = encode(&hello).map_err(BenchError::failed("encode a frame"))?;
        conversation.send(hello).await?;
        match conversation.next().await? {
            ToPool::Hello(_) => Ok(conversation),
            other => Err(BenchError::Wrong(format!("a runner answered the hello with {other:?}"))),
        }
    }

    /// Asks for a list.
    pub(crate) async fn ask(&mut self) -> Result<(), BenchError> {
        self.last_request += 1;
        let frame = encode(&ToRunner::List { request: self.last_request });
        // A write a frame, as the pool does it.
        self.send(frame.map_err(BenchError::failed("encode a frame"))?).await
    }

    /// Waits for answers. Returns how many have come together: at least one.
    pub(crate) async fn answers(&mut self) -> Result<usize, BenchError> {
        let mut count = 0;
        while count == 0 {
            count += usize::from(is_list(&self.next().await?)?);
        }
        while let Some(frame) = self.received()? {
            count += usize::from(is_list(&frame)?);
        }
        Ok(count)
    }

    /// Ends the daemon.
    pub(crate) async fn end(mut self) -> Result<(), BenchError> {
        let request = self.last_request + 1;
        let exit = encode(&ToRunner::Exit { request }).map_err(BenchError::failed("encode a frame"))?;
        self.send(exit).await?;
        while self.next().await? != (ToPool::Done { request }) {}
        Ok(())
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), BenchError> {
        self.writer.send(bytes.into()).await.map_err(BenchError::failed("send frames to a runner"))
    }

    fn received(&mut self) -> Result<Option<ToPool>, BenchError> {
        self.frames.next_frame().map_err(BenchError::failed("read a runner's frames"))
    }

    async fn next(&mut self) -> Result<ToPool, BenchError> {
        loop {
            if let Some(frame) = self.received()? {
                return Ok(frame);
            }
            match self.reader.next().await {
                Some(ChannelEvent::Stdout(bytes)) => self.frames.push(&bytes),
                Some(ChannelEvent::Stderr(bytes)) => eprint!("{}", String::from_utf8_lossy(&bytes)),
                other => return Err(BenchError::Wrong(format!("a session with a runner ended: {other:?}"))),
            }
        }
    }
}

/// False for what comes without being asked for.
fn is_list(frame: &ToPool) -> Result<bool, BenchError> {
    match frame {
        ToPool::Runs { .. } => Ok(true),
        frame if frame.request().is_none() => Ok(false),
        other => Err(BenchError::Wrong(format!("a runner answered a list with {other:?}"))),
    }
}
