//! Lists, and their pages.

use super::{
    Cloud,
    machine::Machine,
    state::{Key, Part},
};
use crate::{
    http::{Answer, ApiError, Kind, Query},
    names::location,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::{collections::BTreeMap, ops::Bound};

/// The parameters that a link to the next page repeats.
const REPEATED: [&str; 4] = ["api-version", "$filter", "$expand", "statusOnly"];

/// How machines are shown in a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    /// With the views of the instances.
    Expanded,
    /// Little more than the views of the instances.
    StatusOnly,
}

impl Cloud {
    /// A page of a group's resources, or of the subscription's.
    pub(super) fn list(
        &self,
        kind: Kind,
        group: Option<&str>,
        path: &str,
        query: &Query,
    ) -> Result<Answer, ApiError> {
        if kind != Kind::Machine {
            return self.page(self.parts(kind), group, path, query, |part: &Part| part.resource.clone());
        }
        let form = form(group.is_some(), query)?;
        // The only filter is by the scale set, and machines here are in none.
        let no_machines = BTreeMap::new();
        let from = if query.text("$filter").is_some() { &no_machines } else { &self.machines };
        self.page(from, group, path, query, |machine| self.listed(machine, form))
    }

    /// A page of the machines of a location, which is the only one.
    pub(super) fn list_by_location(&self, of: &str, path: &str, query: &Query) -> Result<Answer, ApiError> {
        let no_machines = BTreeMap::new();
        let is_here = location(of) == location(&self.settings.location);
        let from = if is_here { &self.machines } else { &no_machines };
        self.page(from, None, path, query, |machine| self.listed(machine, Form::Plain))
    }

    fn listed(&self, machine: &Machine, form: Form) -> Value {
        let mut shown = match form {
            Form::Plain => machine.resource.clone(),
            Form::Expanded => machine.expanded(),
            Form::StatusOnly => {
                let resource = &machine.resource;
                let mut shown = json!({
                    "properties": {
                        "vmId": resource["properties"]["vmId"],
                        "provisioningState": resource["properties"]["provisioningState"],
                        "instanceView": { "statuses": machine.statuses() },
                    },
                });
                for member in ["name", "id", "type", "location", "tags", "zones"] {
                    if !resource[member].is_null() {
                        shown[member] = resource[member].clone();
                    }
                }
                shown
            }
        };
        if self.settings.capital_groups_in_lists
            && let Some(id) = shown["id"].as_str()
        {
            let mut parts: Vec<String> = id.split('/').map(str::to_owned).collect();
            if let Some(group) = parts.get_mut(4) {
                *group = group.to_uppercase();
            }
            shown["id"] = parts.join("/").into();
        }
        shown
    }

    fn page<T>(
        &self,
        from: &BTreeMap<Key, T>,
        group: Option<&str>,
        path: &str,
        query: &Query,
        show: impl Fn(&T) -> Value,
    ) -> Result<Answer, ApiError> {
        let after = query.text("$skiptoken").map(|token| decode(token).ok_or_else(bad_token)).transpose()?;
        let group = group.map(str::to_lowercase);
        let start = match (after, &group) {
            (Some(after), _) => Bound::Excluded(after),
            (None, Some(group)) => Bound::Included(Key { group: group.clone(), name: String::new() }),
            (None, None) => Bound::Unbounded,
        };
        let mut found = from
            .range((start, Bound::Unbounded))
            .take_while(|(key, _)| group.as_ref().is_none_or(|group| key.group == *group))
            .peekable();
        let mut value = Vec::new();
        let mut last = None;
        while value.len() < self.settings.page_size.max(1)
            && let Some((key, one)) = found.next()
        {
            value.push(show(one));
            last = Some(key);
        }
        let mut body = json!({ "value": value });
        if let (Some(_), Some(last)) = (found.peek(), last) {
            body["nextLink"] = self.next_link(path, query, last).into();
        }
        Ok(Answer::ok(body))
    }

    /// Where the page after the one that ends here is: an absolute link, with all that was asked for.
    fn next_link(&self, path: &str, query: &Query, last: &Key) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let repeated = REPEATED.iter().filter_map(|name| Some((*name, query.text(name)?)));
        let parameters: String =
            repeated.map(|(name, value)| format!("{}={}&", name, encoded(value))).collect();
        let token = URL_SAFE_NO_PAD.encode(json!([last.group, last.name]).to_string());
        format!("{}{path}?{parameters}$skiptoken={token}", self.url)
    }
}

/// "this can only be specified if a valid $filter option is specified": the group's list,
/// <https://learn.microsoft.com/en-us/rest/api/compute/virtual-machines/list>, can show the views of the
/// machines of a scale set only; that of the subscription has `statusOnly`,
/// <https://learn.microsoft.com/en-us/rest/api/compute/virtual-machines/list-all>. What a call without a
/// filter is answered is nowhere to be read.
fn form(of_group: bool, query: &Query) -> Result<Form, ApiError> {
    if query.text("$expand").is_some() {
        if !query.is("$expand", "instanceView") || query.text("$filter").is_none() {
            let message = "The expand expression 'instanceView' can only be specified if a valid $filter \
                           option is specified.";
            return Err(ApiError::invalid("$expand", message));
        }
        return Ok(Form::Expanded);
    }
    Ok(if !of_group && query.is("statusOnly", "true") { Form::StatusOnly } else { Form::Plain })
}

fn decode(token: &str) -> Option<Key> {
    let [group, name]: [String; 2] = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    Some(Key { group, name })
}

fn bad_token() -> ApiError {
    ApiError::invalid("$skiptoken", "The value of the query parameter '$skiptoken' is invalid.")
}
