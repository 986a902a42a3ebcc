//! What stands for the provider here: machines in memory, a list in pages, labels in a narrow alphabet.
//!
//! It is told by tests what to refuse.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A machine as the provider has it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Unique in the account.
    pub name: String,
    /// The provider's type.
    pub machine_type: String,
    /// Where it is.
    pub zone: String,
    /// What it boots from.
    pub image: String,
    /// Lower-case letters, digits, `-` and `_`, at most 63 of them.
    pub labels: BTreeMap<String, String>,
    /// What runs at first boot. A real type keeps this out of its `Debug`.
    pub startup_script: Secret,
    /// Who may log in.
    pub ssh_key: String,
    /// Whether somebody has stopped it.
    pub stopped: bool,
}

/// A text that `Debug` does not show.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(not shown)")
    }
}

/// The provider's calls.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Call {
    /// Makes a machine.
    Insert,
    /// One page of a list.
    List,
    /// Replaces labels.
    SetLabels,
    /// Removes a machine.
    Delete,
}

/// The provider's answer when it does not do what it was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The provider's code.
    pub code: &'static str,
    /// The provider's words.
    pub message: String,
    /// When to come again, in seconds, if it says so.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A code with words.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }
}

/// Says what goes wrong with the nth call of a kind, counted from 1.
type Plan = Box<dyn Fn(Call, usize) -> Option<Refusal> + Send>;

/// The provider.
#[derive(Default)]
pub struct Cloud(Mutex<State>);

#[derive(Default)]
struct State {
    machines: BTreeMap<String, Machine>,
    calls: BTreeMap<Call, usize>,
    plan: Option<Plan>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cloud")
    }
}

impl Cloud {
    /// For tests: what goes wrong from now on. Calls are counted anew.
    pub fn plan(&self, plan: impl Fn(Call, usize) -> Option<Refusal> + Send + 'static) {
        let mut state = self.state();
        state.plan = Some(Box::new(plan));
        state.calls.clear();
    }

    /// For tests: how many calls there were.
    pub fn calls(&self, call: Call) -> usize {
        self.state().calls.get(&call).copied().unwrap_or_default()
    }

    /// For tests: all machines.
    pub fn machines(&self) -> Vec<Machine> {
        self.state().machines.values().cloned().collect()
    }

    /// For tests: stops a machine, as its owner might.
    pub fn stop(&self, name: &str) {
        if let Some(machine) = self.state().machines.get_mut(name) {
            machine.stopped = true;
        }
    }

    /// Makes a machine. Refuses a name that is taken.
    pub fn insert(&self, machine: Machine) -> Result<(), Refusal> {
        let mut state = self.begin(Call::Insert)?;
        if state.machines.contains_key(&machine.name) {
            return Err(Refusal::new("alreadyExists", format!("there is a machine {}", machine.name)));
        }
        state.machines.insert(machine.name.clone(), machine);
        Ok(())
    }

    /// A machine by its name.
    pub fn get(&self, name: &str) -> Result<Machine, Refusal> {
        let machine = self.state().machines.get(name).cloned();
        machine.ok_or_else(|| not_found(name))
    }

    /// A page of the machines that have all these labels, and where the next page begins.
    pub fn list(
        &self,
        labels: &BTreeMap<String, String>,
        from: Option<String>,
        page_size: usize,
    ) -> Result<(Vec<Machine>, Option<String>), Refusal> {
        let state = self.begin(Call::List)?;
        let has_all =
            |machine: &&Machine| labels.iter().all(|(name, value)| machine.labels.get(name) == Some(value));
        let mut rest =
            state.machines.range(from.unwrap_or_default()..).map(|(_, machine)| machine).filter(has_all);
        let page = rest.by_ref().take(page_size).cloned().collect();
        Ok((page, rest.next().map(|machine| machine.name.clone())))
    }

    /// Replaces all labels of a machine.
    pub fn set_labels(&self, name: &str, labels: BTreeMap<String, String>) -> Result<(), Refusal> {
        let mut state = self.begin(Call::SetLabels)?;
        state.machines.get_mut(name).ok_or_else(|| not_found(name))?.labels = labels;
        Ok(())
    }

    /// Removes a machine.
    pub fn delete(&self, name: &str) -> Result<(), Refusal> {
        let mut state = self.begin(Call::Delete)?;
        state.machines.remove(name).map(drop).ok_or_else(|| not_found(name))
    }

    fn begin(&self, call: Call) -> Result<MutexGuard<'_, State>, Refusal> {
        let mut state = self.state();
        let count = state.calls.entry(call).or_default();
        *count += 1;
        let nth = *count;
        match state.plan.as_ref().and_then(|plan| plan(call, nth)) {
            Some(refusal) => Err(refusal),
            None => Ok(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found(name: &str) -> Refusal {
    Refusal::new("notFound", format!("there is no machine {name}"))
}
