use super::list::{ListError, Mutant};

/// Stands for the expression that is true when the mutant is switched on.
const SWITCH: &str = "MUTATED";

/// Puts all these mutants into the text of their file. `switch` is the path of the function that is asked.
pub(crate) fn apply(text: &str, switch: &str, mutants: &[&Mutant]) -> Result<String, ListError> {
    let mut places = Vec::new();
    for mutant in mutants {
        if !mutant.replace.contains(SWITCH) {
            return Err(ListError::NotSwitched { name: mutant.name.clone() });
        }
        let found: Vec<usize> = occurrences(text, &mutant.find);
        let [at] = found[..] else {
            let (name, file) = (mutant.name.clone(), mutant.file.clone());
            return Err(ListError::Find { name, file, count: found.len() });
        };
        places.push((at, at + mutant.find.len(), *mutant));
    }
    places.sort_by_key(|(from, ..)| *from);
    let mut changed = String::with_capacity(text.len());
    let mut copied = 0;
    let mut before: Option<&Mutant> = None;
    for (from, to, mutant) in places {
        if from < copied {
            let first = before.map(|mutant| mutant.name.clone()).unwrap_or_default();
            let (second, file) = (mutant.name.clone(), mutant.file.clone());
            return Err(ListError::Overlap { first, second, file });
        }
        changed.push_str(&text[copied..from]);
        changed.push_str(&mutant.replace.replace(SWITCH, &format!("{switch}(\"{}\")", mutant.name)));
        copied = to;
        before = Some(mutant);
    }
    changed.push_str(&text[copied..]);
    Ok(changed)
}

/// Where a piece begins, also where it overlaps with itself. A piece of nothing is nowhere.
fn occurrences(text: &str, piece: &str) -> Vec<usize> {
    if piece.is_empty() {
        return Vec::new();
    }
    (0..text.len()).filter(|at| text.is_char_boundary(*at) && text[*at..].starts_with(piece)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::list::Trial;
    use super::*;
    use crate::sim::seeds::Seeds;

    fn mutant(name: &str, find: &str, replace: &str) -> Mutant {
        Mutant {
            name: name.into(),
            rules: vec!["held".into()],
            file: "a.rs".into(),
            find: find.into(),
            replace: replace.into(),
            run: Trial::Seeds(Seeds::one(0)),
            not_caught: None,
        }
    }

    fn apply_all(text: &str, mutants: &[Mutant]) -> Result<String, ListError> {
        apply(text, "pool_api::mutated", &mutants.iter().collect::<Vec<_>>())
    }

    #[test]
    fn each_mutant_is_put_in_its_place_and_can_be_switched_on() {
        let mutants = [mutant("later", "b()", "MUTATED || b()"), mutant("first", "a()", "!MUTATED && a()")];
        let changed = apply_all("if a() || b() { c() }", &mutants).unwrap();
        assert_eq!(
            changed,
            "if !pool_api::mutated(\"first\") && a() || pool_api::mutated(\"later\") || b() { c() }"
        );
    }

    #[test]
    fn what_is_not_there_once_is_an_error_that_names_it() {
        for (text, count) in [("a", 0), ("b b", 2)] {
            let error = apply_all(text, &[mutant("one", "b", "MUTATED")]).unwrap_err();
            assert!(
                matches!(&error, ListError::Find { name, count: found, .. } if name == "one" && *found == count)
            );
        }
        assert!(matches!(apply_all("aaa", &[mutant("one", "aa", "MUTATED")]), Err(ListError::Find { .. })));
        assert!(matches!(apply_all("a", &[mutant("one", "", "MUTATED")]), Err(ListError::Find { .. })));
    }

    #[test]
    fn mutants_that_are_in_each_others_way_are_an_error() {
        let mutants = [mutant("one", "ab", "MUTATED"), mutant("two", "bc", "MUTATED")];
        let error = apply_all("abc", &mutants).unwrap_err();
        assert!(
            matches!(error, ListError::Overlap { first, second, .. } if first == "one" && second == "two")
        );
    }

    #[test]
    fn a_mutant_that_nothing_switches_on_is_an_error() {
        assert!(matches!(apply_all("a", &[mutant("one", "a", "b")]), Err(ListError::NotSwitched { .. })));
    }
}
