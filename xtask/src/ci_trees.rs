use std::process::Command;

use crate::error::TaskError;
use crate::process::{cargo, output_of};

/// What a member's dependency tree must not hold. `cargo tree` resolves features as a build does, which no
/// manifest shows.
pub(crate) struct TreeRule {
    /// What is true as long as the rule holds.
    pub(crate) claim: &'static str,
    /// Arguments of `cargo tree` that choose the tree.
    arguments: &'static [&'static str],
    /// Names of packages; one that ends with `*` stands for all that start so.
    forbidden: &'static [&'static str],
}

pub(crate) const TREE_RULES: [TreeRule; 6] = [
    TreeRule {
        claim: "pool-core without features knows no driver and no SSH",
        arguments: &["--package", "pool-core", "--no-default-features", "--edges", "normal,build"],
        forbidden: &["driver-*", "executor-*", "russh*", "pool-runner", "aws-*", "azure_*", "google-cloud-*"],
    },
    TreeRule {
        claim: "pool-core without the features of the clouds pulls in no crate of their SDKs",
        arguments: &[
            "--package",
            "pool-core",
            "--no-default-features",
            "--features",
            "loopback,runner,ssh",
            "--edges",
            "normal,build",
        ],
        forbidden: &["aws-*", "driver-ec2", "google-cloud-*", "driver-gce", "azure_*", "driver-azure"],
    },
    TreeRule {
        claim: "the default members pull in no cloud SDK and no OpenSSL",
        arguments: &["--edges", "normal,build,dev"],
        forbidden: &[
            "aws-*",
            "azure_*",
            "google-cloud-*",
            "driver-ec2",
            "driver-azure",
            "driver-gce",
            // Not openssl-probe, which only knows where systems keep certificates.
            "openssl",
            "openssl-sys",
            "native-tls",
        ],
    },
    TreeRule {
        claim: "the conformance suite knows no driver, no pool and no SSH",
        arguments: &["--package", "pool-conformance", "--edges", "normal,build"],
        forbidden: &["driver-*", "executor-*", "pool-core", "pool-state", "pool-runner", "poold", "russh*"],
    },
    TreeRule {
        claim: "pool-state has no async runtime anywhere below it",
        arguments: &["--package", "pool-state", "--all-features", "--edges", "normal,build,dev"],
        forbidden: &["tokio*", "async-std", "smol", "async-executor", "mio"],
    },
    TreeRule {
        claim: "pool-runner has no async runtime anywhere below it",
        arguments: &["--package", "pool-runner", "--all-features", "--edges", "normal,build"],
        forbidden: &["tokio*", "async-std", "smol", "async-executor", "mio"],
    },
];

impl TreeRule {
    fn command(&self) -> Command {
        let mut command = cargo(["tree", "--locked", "--prefix", "none", "--format", "{p}"]);
        command.args(self.arguments);
        command
    }

    /// Runs `cargo tree`, prints what breaks the rule, and says whether it holds.
    pub(crate) fn holds(&self) -> Result<bool, TaskError> {
        let output = output_of(&mut self.command())?;
        let packages = packages(&String::from_utf8_lossy(&output));
        let broken: Vec<&String> = packages.iter().filter(|package| self.forbids(package)).collect();
        for package in &broken {
            println!(
                "not so, because of {package}: see `cargo tree {} -i {package}`",
                self.arguments.join(" ")
            );
        }
        // A tree always holds its own root: an empty answer proves nothing.
        Ok(broken.is_empty() && !packages.is_empty())
    }

    fn forbids(&self, package: &str) -> bool {
        self.forbidden.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => package.starts_with(start),
            None => package == *pattern,
        })
    }
}

/// The names in the output of `cargo tree --prefix none --format {p}`, sorted, each once.
fn packages(output: &str) -> Vec<String> {
    let mut names: Vec<String> =
        output.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str =
        "pool-core v0.1.0 (/a/pool-core)\nbytes v1.12.0\nrussh-util v0.1.0\n\nbytes v1.12.0 (*)\n";

    #[test]
    fn names_are_read_from_the_tree() {
        assert_eq!(packages(OUTPUT), ["bytes", "pool-core", "russh-util"]);
    }

    #[test]
    fn patterns_match_whole_names_or_beginnings() {
        let rule = &TREE_RULES[0];
        assert!(rule.forbids("russh-util"));
        assert!(rule.forbids("driver-loopback"));
        assert!(rule.forbids("pool-runner"));
        assert!(!rule.forbids("pool-runner-extra"));
        assert!(!rule.forbids("pool-api"));
    }

    #[test]
    fn a_rule_that_is_broken_does_not_hold() {
        let rule = TreeRule {
            claim: "xtask does without clap",
            arguments: &["--package", "xtask"],
            forbidden: &["clap"],
        };
        assert!(!rule.holds().unwrap());
    }
}
