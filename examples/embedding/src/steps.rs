//! What there is to do.

/// One step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// Steps that must be done before. Their outputs are in the environment, as `OUT_<name>`.
    pub(crate) after: &'static [&'static str],
    pub(crate) script: &'static str,
}

/// Two numbers are made at the same time, then added up.
pub(crate) fn all() -> Vec<Step> {
    vec![
        Step { name: "left", after: &[], script: "sleep 0.2; echo 20" },
        Step { name: "right", after: &[], script: "sleep 0.2; echo 22" },
        Step { name: "sum", after: &["left", "right"], script: "echo $((OUT_left + OUT_right))" },
    ]
}
