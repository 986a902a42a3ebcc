//! What is the same for all connections of a pool.

use crate::PrivateKey;
use std::time::Duration;

/// How connections are made and watched.
///
/// A peer that is dead, or takes or sends nothing, is noticed within
/// `keepalive_interval × (keepalive_max + 1)`: 30 s by default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SshConfig {
    /// The key to log in with.
    pub key: PrivateKey,
    /// For name resolution and TCP connect together. Default 10 s.
    pub connect_timeout: Duration,
    /// For key exchange and login together. Default 10 s.
    pub handshake_timeout: Duration,
    /// For the whole of [`HostVerifier::verify`](pool_api::HostVerifier::verify). Default 30 s.
    pub verify_timeout: Duration,
    /// After this time without a word from the host it is asked whether it is there. Default 10 s.
    pub keepalive_interval: Duration,
    /// So many such questions may stay unanswered; an interval later the connection is lost. Default 2,
    /// at least 1.
    pub keepalive_max: usize,
    /// How many channels (commands and conversations) run at once on one connection; what is more waits,
    /// within its time limit. Default 8, at least 1.
    ///
    /// OpenSSH's server allows 10 on one connection (`MaxSessions` in sshd_config(5)) and counts a command
    /// that was given up until its process ends, hence the distance. A host that allows fewer, or is full of
    /// such commands, is noticed: what it refuses waits for another channel to end; where none of ours is
    /// open it is asked again for 10 s when commands were given up before, else `Refused` is the answer.
    ///
    /// Commands get all but one of these places and conversations all but two, so that neither can shut out
    /// the other (which takes at least 3).
    pub max_channels: usize,
}

impl SshConfig {
    /// The defaults, with this key.
    pub fn new(key: PrivateKey) -> Self {
        Self {
            key,
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            verify_timeout: Duration::from_secs(30),
            keepalive_interval: Duration::from_secs(10),
            keepalive_max: 2,
            max_channels: 8,
        }
    }

    /// No more patient than this: a peer that is silent for so long is dead, and connecting and login may take as long
    /// each. For pools that give workers up sooner than the defaults notice that these are silent. What is more
    /// impatient already stays so.
    #[must_use]
    pub fn patient_for(mut self, silence: Duration) -> Self {
        let intervals = u32::try_from(self.questions()).unwrap_or(u32::MAX).saturating_add(1);
        self.connect_timeout = self.connect_timeout.min(silence);
        self.handshake_timeout = self.handshake_timeout.min(silence);
        self.keepalive_interval = self.keepalive_interval.min(silence / intervals);
        self
    }

    /// After how much silence a peer is dead.
    pub(crate) fn dead_after(&self) -> Duration {
        let intervals = u32::try_from(self.questions()).unwrap_or(u32::MAX).saturating_add(1);
        self.keepalive_interval.saturating_mul(intervals)
    }

    /// How many questions may stay unanswered. 0 would mean "any number" to the library.
    pub(crate) fn questions(&self) -> usize {
        self.keepalive_max.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_peer_is_noticed_within_half_a_minute() {
        let mut config = SshConfig::new(PrivateKey::generate());
        assert_eq!(config.dead_after(), Duration::from_secs(30));
        config.keepalive_max = 0;
        assert_eq!(config.dead_after(), Duration::from_secs(20));
    }

    #[test]
    fn patience_is_only_made_shorter() {
        let config = || SshConfig::new(PrivateKey::generate());
        let short = config().patient_for(Duration::from_secs(6));
        assert_eq!(short.dead_after(), Duration::from_secs(6));
        assert_eq!(
            (short.connect_timeout, short.handshake_timeout),
            (Duration::from_secs(6), Duration::from_secs(6))
        );
        let long = config().patient_for(Duration::from_secs(600));
        assert_eq!(long.dead_after(), config().dead_after());
        assert_eq!(long.connect_timeout, config().connect_timeout);
    }
}
