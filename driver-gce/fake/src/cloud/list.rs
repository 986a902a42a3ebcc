//! Lists of instances and operations.

use super::{
    Cloud,
    page::{Asked, Order},
    state::Zone,
};
use crate::{
    filter::{Filter, Kind},
    http::{ApiError, Query},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, ops::Bound};

/// A resource in a list.
#[derive(Clone, Copy)]
struct Listed<'a> {
    zone: &'a str,
    name: &'a str,
    sequence: u64,
    resource: &'a Value,
}

/// The filter of a query.
pub(super) fn filter(query: &Query, kind: Kind) -> Result<Filter, ApiError> {
    let text = query.text("filter").unwrap_or_default();
    Filter::parse(text, kind).map_err(|error| ApiError::invalid("filter", text, &error.to_string()))
}

/// The resources of a page, and the token of the next one.
fn page<'a>(
    listed: impl Iterator<Item = Listed<'a>>,
    asked: &Asked,
    filter: &Filter,
) -> (Vec<Listed<'a>>, Option<String>) {
    let mut matching = listed.filter(|one| filter.matches(one.resource));
    let page: Vec<_> = matching.by_ref().take(asked.count).collect();
    let last = page.last().filter(|_| matching.next().is_some());
    let next = last.map(|last| asked.next(last.zone, last.name, last.sequence));
    (page, next)
}

/// The resources of a map after a name.
fn after<'a, T>(
    map: &'a BTreeMap<String, T>,
    name: Option<&'a str>,
) -> impl Iterator<Item = (&'a String, &'a T)> {
    let start = name.map_or(Bound::Unbounded, Bound::Excluded);
    map.range::<str, _>((start, Bound::Unbounded))
}

/// All of these, the newest first, after a place.
fn newest<'a>(all: impl Iterator<Item = Listed<'a>>, asked: &Asked) -> Vec<Listed<'a>> {
    let before = asked.after.as_ref().map_or(u64::MAX, |place| place.sequence);
    let mut all: Vec<_> = all.filter(|one| one.sequence < before).collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.sequence));
    all
}

fn instances<'a>(zone: &'a str, here: &'a Zone, name: Option<&'a str>) -> impl Iterator<Item = Listed<'a>> {
    after(&here.instances, name).map(move |(name, instance)| Listed {
        zone,
        name,
        sequence: instance.number.sequence,
        resource: &instance.resource,
    })
}

impl Cloud {
    /// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/list>.
    pub(super) fn list_instances(&self, zone: &str, query: &Query) -> Result<Value, ApiError> {
        let path = format!("zones/{zone}/instances");
        let asked = Asked::new(query, &path)?;
        let filter = filter(query, Kind::Instance)?;
        let here = self.zone(zone)?;
        let (page, next) = match asked.order {
            Order::Name => {
                let name = asked.after.as_ref().map(|place| place.name.as_str());
                page(instances(zone, here, name), &asked, &filter)
            }
            Order::Newest => page(newest(instances(zone, here, None), &asked).into_iter(), &asked, &filter),
        };
        Ok(self.list_of(
            "compute#instanceList",
            &path,
            page.iter().map(|one| one.resource.clone()).collect(),
            next,
        ))
    }

    /// <https://cloud.google.com/compute/docs/reference/rest/v1/zoneOperations/list>.
    pub(super) fn list_operations(&self, zone: &str, query: &Query) -> Result<Value, ApiError> {
        let path = format!("zones/{zone}/operations");
        let asked = Asked::new(query, &path)?;
        let filter = filter(query, Kind::Operation)?;
        let name =
            asked.after.as_ref().filter(|_| asked.order == Order::Name).map(|place| place.name.as_str());
        let all = after(&self.zone(zone)?.operations, name).map(|(name, operation)| Listed {
            zone,
            name,
            sequence: operation.number.sequence,
            resource: &operation.resource,
        });
        let (page, next) = match asked.order {
            Order::Name => page(all, &asked, &filter),
            Order::Newest => page(newest(all, &asked).into_iter(), &asked, &filter),
        };
        Ok(self.list_of(
            "compute#operationList",
            &path,
            page.iter().map(|one| one.resource.clone()).collect(),
            next,
        ))
    }

    pub(super) fn list_of(&self, kind: &str, path: &str, items: Vec<Value>, next: Option<String>) -> Value {
        let project = &self.settings.project;
        let mut list = json!({
            "kind": kind,
            "id": format!("projects/{project}/{path}"),
            "selfLink": self.link(path),
        });
        // An empty list is not shown at all.
        if !items.is_empty() {
            list["items"] = items.into();
        }
        if let Some(next) = next {
            list["nextPageToken"] = next.into();
        }
        list
    }

    /// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/aggregatedList>: "when partial
    /// success behavior is enabled, aggregatedList for a single zone scope either returns all resources in
    /// the zone or no resources, with an error code." A page counts instances, and every page has every zone.
    pub(super) fn aggregated_instances(&self, query: &Query) -> Result<Value, ApiError> {
        let path = "aggregated/instances";
        let asked = Asked::new(query, path)?;
        let filter = filter(query, Kind::Instance)?;
        let is_partial = query.is_partial()?;
        // Instances are of zones only: the other scopes are not theirs "where the resource type is expected
        // to be found".
        query.flag("includeAllScopes")?;
        let is_unreachable = |zone: &str| self.unreachable.contains(zone);
        if let Some(zone) = self.zones.keys().find(|zone| is_unreachable(zone) && !is_partial) {
            return Err(ApiError::backend(&format!("zones/{zone}")));
        }
        let reachable = self.zones.iter().filter(|(zone, _)| !is_unreachable(zone));
        let (page, next) = match asked.order {
            Order::Name => {
                let place = asked.after.as_ref();
                let left = reachable.filter(|(zone, _)| place.is_none_or(|place| **zone >= place.zone));
                let all = left.flat_map(|(zone, here)| {
                    let name = place.filter(|place| place.zone == *zone).map(|place| place.name.as_str());
                    instances(zone, here, name)
                });
                page(all, &asked, &filter)
            }
            Order::Newest => {
                let all = reachable.flat_map(|(zone, here)| instances(zone, here, None));
                page(newest(all, &asked).into_iter(), &asked, &filter)
            }
        };
        let mut by_zone: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for one in page {
            by_zone.entry(one.zone).or_default().push(one.resource.clone());
        }
        let mut items = Map::new();
        for zone in self.zones.keys() {
            let scope = format!("zones/{zone}");
            let entry = match by_zone.remove(zone.as_str()) {
                Some(instances) => json!({ "instances": instances }),
                None if is_unreachable(zone) => unreachable_scope(&scope),
                None => empty_scope(&scope),
            };
            items.insert(scope, entry);
        }
        let mut list = self.list_of("compute#instanceAggregatedList", path, Vec::new(), next);
        list["items"] = items.into();
        let unreachables: Vec<_> = self.zones.keys().filter(|zone| is_unreachable(zone)).collect();
        if !unreachables.is_empty() {
            // "Unreachable resources." Nothing says how they are named: here it is as in the keys of the
            // items.
            list["unreachables"] = unreachables.iter().map(|zone| format!("zones/{zone}")).collect();
        }
        Ok(list)
    }
}

fn empty_scope(scope: &str) -> Value {
    warning("NO_RESULTS_ON_PAGE", &format!("There are no results for scope '{scope}' on this page."), scope)
}

/// "UNREACHABLE: A given scope cannot be reached."
fn unreachable_scope(scope: &str) -> Value {
    warning("UNREACHABLE", &format!("The scope '{scope}' cannot be reached. Please try again later."), scope)
}

fn warning(code: &str, message: &str, scope: &str) -> Value {
    let data = json!([{ "key": "scope", "value": scope }]);
    json!({ "warning": { "code": code, "message": message, "data": data } })
}
