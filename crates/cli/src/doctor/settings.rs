//! Settings of a sender that decide about one recipient, read as the function reads them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use shared::config::{ConfigError, Settings};
use shared::domain::Denial;
use shared::trigger::Trigger;

use super::contact::Contact;
use super::finding::{Finding, Level};
use super::registry::CheckId;
use crate::terminal::output::plain;

/// Why settings of a function can't be read.
pub(super) enum Unreadable {
    /// They are in a file of a Lambda layer.
    InLayer(String),
    /// The function itself doesn't start with them.
    Invalid(ConfigError),
}

/// Reads settings as the function does.
pub(super) fn read<T>(
    variables: &BTreeMap<String, String>,
    read: impl FnOnce(&Settings<'_>) -> Option<T>,
) -> Result<T, Unreadable> {
    let in_layer = RefCell::default();
    let lookup = |name: &str| variables.get(name).cloned();
    let read_file = |path: &str| {
        *in_layer.borrow_mut() = Some(path.to_owned());
        Err("it is in a layer".to_owned())
    };
    let settings = Settings::new(&lookup, &read_file);
    let value = read(&settings);
    let result = settings.finish(value);
    match in_layer.into_inner() {
        Some(path) => Err(Unreadable::InLayer(path)),
        None => result.map_err(Unreadable::Invalid),
    }
}

impl Unreadable {
    /// That `what` isn't known, or that the function doesn't even start.
    pub(super) fn finding(&self, check: CheckId, function: Trigger, what: &str) -> Finding {
        match self {
            Self::InLayer(path) => Finding::new(
                check,
                Level::NotChecked,
                format!("{what}: not checked, the list {} is in a Lambda layer", plain(path)),
            ),
            Self::Invalid(error) => Finding::cause(
                check,
                format!("{} doesn't start, so it sends nothing: {error}", function.package()),
            )
            .advice("Fix these parameters and deploy the stack again: docs/configuration.md."),
        }
    }
}

/// Whether the sender of a channel blocks the domain of an email address; `None` if it doesn't.
pub(super) fn blocked_domain(
    channel: Contact,
    variables: &BTreeMap<String, String>,
    address: &str,
) -> Option<Finding> {
    let (check, function) = match channel {
        Contact::Email => (CheckId::EmailDenied, Trigger::CustomEmailSender),
        Contact::Phone => (CheckId::SmsDenied, Trigger::CustomSmsSender),
    };
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is for one lifetime of settings"
    )]
    let lists = match read(variables, |settings| settings.blocked_domains()) {
        Ok(lists) => lists,
        Err(unreadable) => {
            let what = format!("whether {} blocks {address}", function.package());
            return Some(unreadable.finding(check, function, &what));
        }
    };
    let denial = lists.denies(address)?;
    let parameter = match denial {
        Denial::Listed(_) => "DeniedEmailDomains",
        Denial::Disposable => "DenyDisposableEmail or DisposableEmailExceptions",
        Denial::Unreadable => return None,
    };
    let entry = match denial {
        Denial::Listed(pattern) => format!(" (entry {pattern})"),
        Denial::Disposable | Denial::Unreadable => String::new(),
    };
    let message = channel.message();
    let summary = format!("{} sends {address} no {message}: {}{entry}", function.package(), denial.explain());
    Some(
        Finding::cause(check, summary)
            .advice(format!("If the address is legitimate, change {parameter} and deploy the stack again."))
            .evidence(
                "the lists are in the variables of the function; it drops such a message and reports success, so that \
                 nothing is retried",
            ),
    )
}
