use std::fmt;

use super::trial::{Caught, Verdict};

/// So much of what a check said is shown: its name and what it is about.
const SHOWN: usize = 110;

/// What became of all mutants, one a line.
pub(crate) struct Table<'a>(pub(crate) &'a [Verdict]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = |length: fn(&Verdict) -> usize, head: &str| {
            self.0.iter().map(length).max().unwrap_or_default().max(head.len())
        };
        let name = longest(|verdict| verdict.name.len(), "mutant");
        let rule = longest(|verdict| verdict.rules.join(" ").len(), "breaks");
        writeln!(out, "{:<name$}  {:<rule$}  {:>5}  caught by", "mutant", "breaks", "seeds")?;
        for verdict in self.0 {
            let seeds = match &verdict.result {
                Caught::By { seeds: Some(seeds), .. } => seeds.to_string(),
                _ => String::new(),
            };
            let caught = match &verdict.result {
                Caught::By { violation, .. } => first_line(violation),
                Caught::Not => "NOT CAUGHT".to_owned(),
                Caught::Broken(why) => format!("NOT CAUGHT: {}", first_line(why)),
            };
            writeln!(
                out,
                "{:<name$}  {:<rule$}  {seeds:>5}  {caught}",
                verdict.name,
                verdict.rules.join(" ")
            )?;
        }
        Ok(())
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mutant_has_a_line() {
        let verdict = |name: &str, result| Verdict { name: name.into(), rules: vec!["held".into()], result };
        let text = Table(&[
            verdict("a", Caught::By { violation: "held: i-1\nmore".into(), seeds: Some(12) }),
            verdict("bcdefghi", Caught::Not),
            verdict("c", Caught::By { violation: "x".repeat(200), seeds: None }),
        ])
        .to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "mutant    breaks  seeds  caught by");
        assert_eq!(lines[1], "a         held       12  held: i-1");
        assert_eq!(lines[2], "bcdefghi  held           NOT CAUGHT");
        assert!(lines[3].ends_with("x…") && lines[3].chars().count() < 150, "{}", lines[3]);
    }
}
