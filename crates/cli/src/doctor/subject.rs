//! The subject of all checks: the user, the user pool, the stack and its functions.

use std::collections::BTreeMap;

use shared::trigger::Trigger;

use super::lookup::{self, UserLookup};
use crate::aws::cognito::User;
use crate::aws::lambda::Configuration;
use crate::aws::{Aws, AwsError};
use crate::stack::Stack;
use crate::terminal::progress::Progress;
use pool::user_pool::UserPool;

/// The user, the user pool and the functions.
pub(super) struct Subject<'a> {
    pub(super) aws: &'a Aws,
    /// The user as the operator named them.
    pub(super) asked: &'a str,
    pub(super) pool_id: &'a str,
    pub(super) pool: &'a Result<UserPool, AwsError>,
    pub(super) lookup: &'a UserLookup,
    pub(super) stack: Option<&'a Stack>,
    /// The variables of the functions that the user pool invokes, or that the stack deploys.
    pub(super) settings: &'a BTreeMap<Trigger, Result<BTreeMap<String, String>, AwsError>>,
    /// The same functions, with everything that Lambda returns about them.
    pub(super) functions: &'a BTreeMap<Trigger, Result<Configuration, AwsError>>,
    /// The app client that the operator named.
    pub(super) client_id: Option<&'a str>,
    /// The number of hours of logs to read.
    pub(super) hours: u32,
    /// The DNS server that the operator named.
    pub(super) resolver: Option<std::net::SocketAddr>,
    pub(super) progress: &'a Progress,
}

impl Subject<'_> {
    /// The user, if exactly one matches.
    pub(super) fn user(&self) -> Option<&User> {
        match self.lookup.users.as_deref() {
            Ok([user]) => Some(user),
            _ => None,
        }
    }

    /// The user's email address: the attribute, or what the operator passed if there is no such user.
    pub(super) fn email(&self) -> Option<String> {
        match self.user() {
            Some(user) => user.attribute("email").map(str::to_owned),
            None => self.asked.contains('@').then(|| self.asked.to_owned()),
        }
    }

    /// The user's phone number: the attribute, or what the operator passed if there is no such user.
    pub(super) fn phone_number(&self) -> Option<String> {
        match self.user() {
            Some(user) => user.attribute("phone_number").map(str::to_owned),
            None => lookup::number(self.asked)
                .or_else(|| self.asked.starts_with('+').then(|| self.asked.to_owned())),
        }
    }

    /// A setting of a function; `None` if it is empty or can't be read.
    pub(super) fn setting(&self, trigger: Trigger, name: &str) -> Option<&str> {
        let variables = self.settings.get(&trigger)?.as_ref().ok()?;
        variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a function, and not Cognito, sends the messages of that channel.
    pub(super) fn sends(&self, trigger: Trigger) -> bool {
        let Ok(pool) = self.pool else { return false };
        trigger.is_sender() && pool.function_arn(trigger).is_some()
    }
}

impl<'a> Subject<'a> {
    /// The Region of the user pool and of its functions: `--region`, or the one in the id of the user pool.
    pub(super) fn region(&self) -> &'a str {
        self.aws.region()
    }

    /// What Lambda returned about a function; `None` if it couldn't be read.
    pub(super) fn function(&self, trigger: Trigger) -> Option<&'a Configuration> {
        self.functions.get(&trigger)?.as_ref().ok()
    }
}
