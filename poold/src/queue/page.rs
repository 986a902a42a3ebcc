//! Pages of jobs.

use super::{JobFilter, failure::Failure, rows::column, rows::parse, rows::unsigned};
use crate::job::JobState;
use rusqlite::{Connection, ToSql};
use std::collections::BTreeMap;

/// The numbers of a page, newest first.
///
/// One question for each state, put together here: each is answered by an index in the right order, and ends when the
/// page is full, where one question for all would sort everything first.
pub(super) fn numbers(on: &Connection, filter: &JobFilter) -> Result<Vec<u64>, Failure> {
    let mut states = if filter.states.is_empty() { JobState::ALL.to_vec() } else { filter.states.clone() };
    states.sort_unstable();
    states.dedup();
    let mut numbers = Vec::new();
    for state in states {
        numbers.extend(of_state(on, state, filter)?);
    }
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers.truncate(filter.limit);
    Ok(numbers)
}

fn of_state(on: &Connection, state: JobState, filter: &JobFilter) -> Result<Vec<u64>, Failure> {
    let index = match (&filter.name, &filter.group) {
        (Some(_), _) => "jobs_by_name",
        (None, Some(_)) => "jobs_by_group",
        (None, None) => "jobs_by_state",
    };
    let labels = if filter.labels.is_empty() { "NULL" } else { "labels" };
    let mut sql = format!(
        "SELECT number, {labels} FROM jobs INDEXED BY {index} WHERE state = :state AND number < :before"
    );
    let (state, before) = (state.as_str(), filter.before.map_or(i64::MAX, column));
    let mut parameters: Vec<(&str, &dyn ToSql)> = vec![(":state", &state), (":before", &before)];
    if let Some(name) = &filter.name {
        sql.push_str(" AND name = :name");
        parameters.push((":name", name));
    }
    let group = filter.group.as_ref().map(pool_core::JobGroup::as_str);
    if let Some(group) = &group {
        sql.push_str(" AND grp = :group");
        parameters.push((":group", group));
    }
    let sought: Vec<(String, String)> = (0..)
        .zip(&filter.labels)
        .map(|(at, (label, value)): (usize, _)| (format!(":label{at}"), part_of_labels(label, value)))
        .collect();
    for (parameter, part) in &sought {
        sql.push_str(&format!(" AND instr(labels, {parameter})"));
        parameters.push((parameter, part));
    }
    sql.push_str(" ORDER BY number DESC");

    let mut statement = on.prepare_cached(&sql)?;
    let mut rows = statement.query(parameters.as_slice())?;
    let mut numbers = Vec::new();
    while numbers.len() < filter.limit
        && let Some(row) = rows.next()?
    {
        let number = unsigned(row, 0)?;
        if filter.labels.is_empty() || has_labels(number, &row.get::<_, String>(1)?, &filter.labels)? {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

/// What the stored JSON holds if it has this label. It may hold it without, too: then [`has_labels`] says no.
fn part_of_labels(label: &str, value: &str) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    format!("{}:{}", quoted(label), quoted(value))
}

fn has_labels(number: u64, stored: &str, sought: &BTreeMap<String, String>) -> Result<bool, Failure> {
    let stored: BTreeMap<String, String> = parse(number, "labels", stored)?;
    Ok(sought.iter().all(|(label, value)| stored.get(label) == Some(value)))
}
