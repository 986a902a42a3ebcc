//! All that is wrong with a section, not only the first thing.

use pool_core::FieldProblem;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use serde_path_to_error::{Path, Segment};
use std::{collections::BTreeMap, collections::BTreeSet, fmt};

/// More would help nobody.
const MOST_PROBLEMS: usize = 100;

/// What stands for a value that is missing or wrong, while the rest is looked at: one of these fits any field.
fn stand_ins() -> [Value; 5] {
    [json!("x"), json!(1), json!("1 GiB"), json!([]), json!({})]
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found<T> {
    /// None if it cannot be read at all. Where something was wrong it has defaults in its place.
    pub(super) value: Option<T>,
    /// Nothing was wrong with any field by itself.
    pub(super) whole: bool,
    /// Nothing stands in for what should be there: what else the value says of itself is right.
    pub(super) sound: bool,
    pub(super) problems: Vec<FieldProblem>,
}

/// Reads a section, again and again without what was wrong the time before.
///
/// `text` gives what a field's environment variable says, where a guess of its type was wrong.
pub(super) fn read<'a, T: DeserializeOwned>(
    mut value: Value,
    text: impl Fn(&str) -> Option<&'a str>,
) -> Found<T> {
    let mut problems = Vec::new();
    let mut known = BTreeSet::new();
    let mut stands_in: BTreeMap<Place, usize> = BTreeMap::new();
    // Each turn names a problem, or tries another stand-in for one.
    for _ in 0..MOST_PROBLEMS * (stand_ins().len() + 1) {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(read) => {
                let (whole, sound) = (problems.is_empty(), stands_in.is_empty());
                return Found { value: Some(read), whole, sound, problems };
            }
            Err(error) => error,
        };
        let mut place = Place::of(error.path());
        let message = error.into_inner().to_string();
        let missing = missing_field(&message);
        if let Some(field) = missing {
            place.0.push(Step::Key(field.to_owned()));
        }
        if let Some(tried) = stands_in.get_mut(&place) {
            *tried += 1;
            match stand_ins().get(*tried) {
                Some(next) if set(&mut value, &place.0, next.clone()) => continue,
                _ => break,
            }
        }
        // A number where a text is wanted.
        let found = get(&mut value, &place.0);
        if let (Some(found), Some(text)) = (found, text(&place.to_string()))
            && *found != text
        {
            *found = text.into();
            continue;
        }
        if problems.len() >= MOST_PROBLEMS {
            break;
        }
        if known.insert(place.clone()) {
            let problem = match missing {
                Some(_) => "is missing: add it".to_owned(),
                None => better(&message),
            };
            problems.push(FieldProblem { field: place.to_string(), problem });
        }
        let in_list = matches!(place.0.last(), Some(Step::Index(_)));
        let went_on = if missing.is_some() || in_list {
            let [first, ..] = stand_ins();
            stands_in.insert(place.clone(), 0);
            set(&mut value, &place.0, first)
        } else {
            remove(&mut value, &place.0)
        };
        if !went_on {
            break;
        }
    }
    Found { value: None, whole: false, sound: false, problems }
}

/// Where in a section.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place(Vec<Step>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

impl Place {
    fn of(path: &Path) -> Self {
        let step = |segment: &Segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        Self(path.iter().filter_map(step).collect())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn get<'a>(mut value: &'a mut Value, place: &[Step]) -> Option<&'a mut Value> {
    for step in place {
        value = match step {
            Step::Key(key) => value.get_mut(key)?,
            Step::Index(index) => value.get_mut(index)?,
        };
    }
    Some(value)
}

/// False if there is no such place.
fn set(value: &mut Value, place: &[Step], to: Value) -> bool {
    let Some((last, container)) = place.split_last() else { return false };
    match (get(value, container), last) {
        (Some(Value::Object(table)), Step::Key(key)) => {
            table.insert(key.clone(), to);
            true
        }
        (Some(Value::Array(list)), Step::Index(index)) => {
            list.get_mut(*index).map(|element| *element = to).is_some()
        }
        _ => false,
    }
}

/// False if there was nothing.
fn remove(value: &mut Value, place: &[Step]) -> bool {
    let Some((Step::Key(key), container)) = place.split_last() else { return false };
    match get(value, container) {
        Some(Value::Object(table)) => table.remove(key).is_some(),
        _ => false,
    }
}

/// The field that serde misses, if that is what it says.
fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// What our fields' types say that they expect, and the same for people.
const EXPECTED: &[(&str, &str)] = &[
    ("a duration", "a duration such as `90s` or `1h 30m`"),
    ("parsable string", "a size such as `512 MiB`"),
    ("an integer or string", "a size such as `512 MiB`"),
    ("integer overflow", "a size such as `512 MiB`"),
    ("u32", "a whole number from 0"),
    ("u64", "a whole number from 0"),
    ("usize", "a whole number from 0"),
    ("f64", "a number"),
];

/// serde's message in words, and with a guess at what was meant in place of a long list.
pub(super) fn better(message: &str) -> String {
    if let Some((found, expected)) = message.rsplit_once(", expected ")
        && let Some((_, words)) = EXPECTED.iter().find(|(typed, _)| *typed == expected)
    {
        return format!("{found}, expected {words}");
    }
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (Some(unknown), Some((name, known))) = (message.strip_prefix("unknown field "), names.split_first())
    else {
        return message.to_owned();
    };
    if known.is_empty() {
        return format!("unknown field {unknown}");
    }
    let near = known.iter().map(|known| (strsim::jaro_winkler(name, known), known));
    match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((nearness, known)) if nearness > 0.85 => {
            format!("unknown field `{name}`: did you mean `{known}`?")
        }
        _ => format!("unknown field `{name}`: there are {}", known.join(", ")),
    }
}
