//! Whether any type is large enough for a job, and if not, what is missing.

use pool_api::{InstanceType, InstanceTypeName, Resources};
use std::fmt;

/// One resource of which a type has too little.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shortage {
    /// Virtual CPUs.
    Cpus,
    /// Memory.
    Memory,
    /// Scratch space.
    Scratch,
    /// Graphics processors.
    Gpus,
}

/// What one instance type lacks for a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing {
    /// The type.
    pub instance_type: InstanceTypeName,
    /// What the job asks for.
    pub wanted: Resources,
    /// What the type has.
    pub has: Resources,
}

impl Missing {
    /// The resources of which the type has too little.
    pub fn shortages(&self) -> impl Iterator<Item = Shortage> {
        let (wanted, has) = (self.wanted, self.has);
        [
            (Shortage::Cpus, wanted.cpus > has.cpus),
            (Shortage::Memory, wanted.memory > has.memory),
            (Shortage::Scratch, wanted.scratch > has.scratch),
            (Shortage::Gpus, wanted.gpus > has.gpus),
        ]
        .into_iter()
        .filter_map(|(which, short)| short.then_some(which))
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, has, .. } = self;
        for (at, shortage) in self.shortages().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            match shortage {
                Shortage::Cpus => write!(f, "CPUs: {} wanted, {} there", wanted.cpus, has.cpus)?,
                Shortage::Memory => write!(f, "memory: {} wanted, {} there", wanted.memory, has.memory)?,
                Shortage::Scratch => write!(f, "scratch: {} wanted, {} there", wanted.scratch, has.scratch)?,
                Shortage::Gpus => write!(f, "GPUs: {} wanted, {} there", wanted.gpus, has.gpus)?,
            }
        }
        Ok(())
    }
}

/// Why no configured type is right for a job.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoFit {
    /// There are no types.
    #[error("no instance type is configured")]
    NoTypes,
    /// Types would be large enough, but all of them are preemptible, and the job does not allow that.
    #[error("only preemptible types are large enough, such as {0}: allow preemptible")]
    OnlyPreemptible(InstanceTypeName),
    /// None is large enough. The nearest is named.
    #[error("no instance type is large enough; the nearest is {}: {}", .0.instance_type, .0)]
    TooLarge(Missing),
}

impl NoFit {
    /// What would let the job run.
    pub fn remedy(&self) -> String {
        match self {
            Self::NoTypes => "configure an instance type".to_owned(),
            Self::OnlyPreemptible(_) => {
                "allow preemptible instances for the job, or configure a type that is large enough and not preemptible"
                    .to_owned()
            }
            Self::TooLarge(_) => "ask for less, or configure a larger instance type".to_owned(),
        }
    }
}

/// Whether an instance of any type can take such a job, when it has no other.
///
/// # Errors
/// [`NoFit`] with the type that comes nearest (the fewest resources short, then the least short) and what it lacks.
pub fn fits<'a>(
    types: impl IntoIterator<Item = &'a InstanceType>,
    resources: &Resources,
    preemptible: bool,
) -> Result<(), NoFit> {
    let mut only_preemptible: Option<&InstanceType> = None;
    let mut nearest: Option<((usize, u64), Missing)> = None;
    for instance_type in types {
        let has = instance_type.resources();
        if resources.fits_in(&has) {
            if preemptible || !instance_type.preemptible {
                return Ok(());
            }
            only_preemptible.get_or_insert(instance_type);
            continue;
        }
        let missing = Missing { instance_type: instance_type.name.clone(), wanted: *resources, has };
        let distance = (missing.shortages().count(), shortage(resources, &has));
        if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
            nearest = Some((distance, missing));
        }
    }
    match (only_preemptible, nearest) {
        (Some(found), _) => Err(NoFit::OnlyPreemptible(found.name.clone())),
        (None, Some((_, missing))) => Err(NoFit::TooLarge(missing)),
        (None, None) => Err(NoFit::NoTypes),
    }
}

/// How much of what is wanted is not there: the missing shares of each resource, added up, in thousandths.
/// Never more when more is there; zero only when nothing is missing.
pub(super) fn shortage(wanted: &Resources, there: &Resources) -> u64 {
    let share = |wanted: u64, there: u64| {
        let missing = u128::from(wanted.saturating_sub(there));
        missing.saturating_mul(1000).div_ceil(u128::from(wanted.max(1)))
    };
    let sum = share(wanted.cpus.as_millis(), there.cpus.as_millis())
        + share(wanted.memory.0, there.memory.0)
        + share(wanted.scratch.0, there.scratch.0)
        + share(wanted.gpus.into(), there.gpus.into());
    u64::try_from(sum).unwrap_or(u64::MAX)
}
