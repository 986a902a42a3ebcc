//! Chance, from a seed.

use crate::{Operation, faults::Rate};
use rand::{Rng, RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

/// One stream of chance for each operation, one for boots and one for what goes wrong with machines, so that what happens to one kind of call
/// does not depend on how many there were of another.
#[derive(Debug)]
pub(crate) struct Dice {
    streams: [Xoshiro256PlusPlus; 4],
    fates: Xoshiro256PlusPlus,
    machines: Xoshiro256PlusPlus,
}

/// The chance of one machine's faults.
#[derive(Debug)]
pub(crate) struct MachineDice(Xoshiro256PlusPlus);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut seeder = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut stream = || Xoshiro256PlusPlus::seed_from_u64(seeder.next_u64());
        Self { streams: [stream(), stream(), stream(), stream()], fates: stream(), machines: stream() }
    }

    /// Whether something happens to a call that happens to `rate` of them. Consumes the same amount of chance whatever
    /// the rate is.
    pub(crate) fn call(&mut self, operation: Operation, rate: Rate) -> bool {
        let stream = match operation {
            Operation::Create => 0,
            Operation::List => 1,
            Operation::Destroy => 2,
            Operation::SetTags => 3,
        };
        happens(&mut self.streams[stream], rate)
    }

    /// Whether something happens to a machine when it boots.
    pub(crate) fn fate(&mut self, rate: Rate) -> bool {
        happens(&mut self.fates, rate)
    }

    /// A seed for what a machine does by chance.
    pub(crate) fn seed(&mut self) -> u64 {
        self.fates.next_u64()
    }

    /// Dice of its own for the next machine: how many faults draw for it does not change what others draw.
    pub(crate) fn machine(&mut self) -> MachineDice {
        MachineDice(Xoshiro256PlusPlus::seed_from_u64(self.machines.next_u64()))
    }
}

impl MachineDice {
    /// Whether the next fault happens to it.
    pub(crate) fn happens(&mut self, rate: Rate) -> bool {
        happens(&mut self.0, rate)
    }
}

fn happens(rng: &mut Xoshiro256PlusPlus, rate: Rate) -> bool {
    rng.random::<f64>() < rate
}
