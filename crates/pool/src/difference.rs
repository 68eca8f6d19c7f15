//! The settings in which two descriptions of a user pool differ.

use std::fmt;

use serde_json::{Map, Value};

use crate::model::{VOLATILE, is_unknown};
use crate::user_pool::UserPool;

/// A setting that is not the same in both.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `EmailConfiguration.From`.
    pub member: String,
    /// What it was.
    pub before: Option<Value>,
    /// What it is.
    pub after: Option<Value>,
}

impl Difference {
    /// Whether it is about a member that this program does not know.
    pub(crate) fn is_unknown(&self) -> bool {
        is_unknown(self.member.split('.').next().unwrap_or_default())
    }
}

impl fmt::Display for Difference {
    /// The name alone: a setting may hold an address.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.member)
    }
}

/// Every setting in which two descriptions differ, without the members that change without an update.
///
/// Nothing, `null`, `{}` and `[]` are the same to Cognito, and so is the order of a list: none of its lists has one.
#[must_use]
pub fn differences(before: &UserPool, after: &UserPool) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", settings(before).as_ref(), settings(after).as_ref(), &mut found);
    found
}

fn settings(description: &UserPool) -> Option<Value> {
    let mut members = description.members().clone();
    members.retain(|member, _| !VOLATILE.contains(&member.as_str()));
    rename_validity(&mut members);
    normal(Value::Object(members))
}

/// One setting has two names. A pool that was never given the newer one shows only the older, and both after any change.
fn rename_validity(members: &mut Map<String, Value>) {
    let Some(Value::Object(config)) = members.get_mut("AdminCreateUserConfig") else { return };
    let Some(days) = config.shift_remove("UnusedAccountValidityDays") else { return };
    let policy = member(members, "Policies").and_then(|policies| member(policies, "PasswordPolicy"));
    let newer = policy.map(|policy| policy.entry("TemporaryPasswordValidityDays").or_insert(Value::Null));
    if let Some(newer) = newer.filter(|newer| newer.is_null()) {
        *newer = days;
    }
}

/// The object of that name, created if it does not exist.
fn member<'a>(members: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    let value = members.entry(name).or_insert(Value::Null);
    if value.is_null() {
        *value = Map::new().into();
    }
    value.as_object_mut()
}

/// One form for everything that means the same.
fn normal(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(members) => {
            let mut members: Map<_, _> =
                members.into_iter().filter_map(|(member, value)| Some((member, normal(value)?))).collect();
            members.sort_keys();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().filter_map(normal).collect();
            items.sort_by_cached_key(Value::to_string);
            (!items.is_empty()).then_some(Value::Array(items))
        }
        other => Some(other),
    }
}

fn compare(member: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    let (empty, none) = (Map::new(), &Value::Null);
    let (one, other) = match (before.unwrap_or(none), after.unwrap_or(none)) {
        (one, other) if one == other => return,
        (Value::Object(one), Value::Object(other)) => (one, other),
        _ if member.is_empty() => (&empty, &empty),
        _ => {
            let (before, after) = (before.cloned(), after.cloned());
            found.push(Difference { member: member.to_owned(), before, after });
            return;
        }
    };
    let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
    for name in names {
        let path = if member.is_empty() { name.clone() } else { format!("{member}.{name}") };
        compare(&path, one.get(name), other.get(name), found);
    }
}
