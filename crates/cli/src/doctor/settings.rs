//! Settings of a function, read as the function reads them.

use std::collections::BTreeMap;

use shared::domain::Denial;
use shared::settings::{ConfigError, InLayer, Noted, Settings};
use shared::trigger::Trigger;

use super::contact::Contact;
use super::finding::Finding;
use super::level::Level;
use super::registry::CheckId;
use crate::terminal::output::plain;

/// Reads settings of a function. Files that they name are in a Lambda layer.
pub(super) fn read<T>(
    variables: &BTreeMap<String, String>,
    read: impl FnOnce(&Settings<'_>) -> Result<T, Noted>,
) -> Result<T, ConfigError> {
    let lookup = |name: &str| variables.get(name).cloned();
    let settings = Settings::new(&lookup, &InLayer);
    let value = read(&settings);
    settings.finish(value)
}

/// Whether the function of a trigger starts in its Region: reads all settings that the function reads, except the
/// credentials from Lambda.
pub(super) fn check_start(
    trigger: Trigger,
    region: &str,
    variables: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    // Lambda sets this variable itself and doesn't return it.
    let region = [("AWS_REGION".to_owned(), region.to_owned())];
    let variables = variables.clone().into_iter().chain(region).collect();
    read(&variables, |settings| settings.check(trigger))
}

/// A check that needs settings which can't be used: the function doesn't start, or `what` isn't known.
pub(super) fn unusable(error: &ConfigError, check: CheckId, function: Trigger, what: &str) -> Finding {
    match error {
        ConfigError::NotKnown(_) => Finding::new(
            check,
            Level::NotChecked,
            format!("{what}: not checked, {}", plain(&error.to_string())),
        ),
        ConfigError::Invalid(_) => Finding::cause(
            check,
            format!("{} doesn't start, so it sends nothing: {error}", function.package()),
        )
        .advice("Fix these parameters and deploy the stack again: docs/configuration.md."),
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
        Err(error) => {
            let what = format!("whether {} blocks {address}", function.package());
            return Some(unusable(&error, check, function, &what));
        }
    };
    let denial = lists.denies(address)?;
    let parameter = match denial {
        Denial::Listed(_) => "DeniedEmailDomains",
        Denial::Disposable => "DenyDisposableEmail or DisposableEmailExceptions",
        Denial::Unreadable => return None,
    };
    let entry = match denial {
        Denial::Listed(pattern) => format!(", entry {pattern}"),
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
