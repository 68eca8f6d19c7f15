//! What `attach`, `detach` and `diff` show.

use std::path::Path;

use pool::permission::{InvokePermission, PermittedPools};
use pool::plan::{Plan, Refusal};
use pool::policy::Effect;
use serde::Serialize;
use shared::arn::function_name;

use super::deployment::{Deployment, EMAIL_IS_USERNAME, Parameter};
use super::needs::Need;
use crate::output::{Output, Tone};

/// Everything that there is to show, and the document for programs.
#[derive(Serialize)]
pub(super) struct Report {
    command: &'static str,
    user_pool_id: String,
    #[serde(skip)]
    pool_name: String,
    stack: String,
    changes: Vec<Change>,
    pub(super) permissions: Vec<Permission>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) needs: Vec<Need>,
    refusals: Vec<String>,
    #[serde(skip)]
    hints: Vec<&'static str>,
    remarks: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<Advice>,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<String>,
}

#[derive(Serialize)]
struct Change {
    slot: &'static str,
    from: Option<String>,
    to: Option<String>,
}

/// Whether Cognito may invoke a function.
#[derive(Serialize)]
pub(super) struct Permission {
    function: String,
    state: State,
    /// What an unknown state depends on.
    #[serde(rename = "condition", skip_serializing_if = "Option::is_none")]
    condition_key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Allowed,
    AllowedToAccount,
    AllowedToAnyPool,
    /// Only if a condition holds that cannot be evaluated.
    AllowedUnderCondition,
    /// Unless a Deny statement applies whose condition cannot be evaluated.
    AllowedUnlessDenied,
    Missing,
    Denied,
    Added,
    /// By a statement that `attach` added.
    AddedBefore,
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    NothingToDo,
    Refused,
    WouldChange,
    Changed,
}

/// The value that a parameter of the stack should have.
#[derive(Serialize)]
struct Advice {
    name: &'static str,
    value: &'static str,
    why: &'static str,
    deployed: Option<String>,
    #[serde(skip)]
    dangerous: bool,
    #[serde(skip)]
    own_pool: bool,
}

impl Permission {
    pub(super) fn new(function: &str, permission: InvokePermission) -> Self {
        let (state, condition_key) = match permission {
            InvokePermission::Allowed(PermittedPools::Named) => (State::Allowed, None),
            InvokePermission::Allowed(PermittedPools::OfAccount) => (State::AllowedToAccount, None),
            InvokePermission::Allowed(PermittedPools::OfEveryAccount) => (State::AllowedToAnyPool, None),
            InvokePermission::NotAllowed { .. } => (State::Missing, None),
            InvokePermission::Denied => (State::Denied, None),
            InvokePermission::Unknown { effect: Effect::Allow, condition_key } => {
                (State::AllowedUnderCondition, Some(condition_key))
            }
            InvokePermission::Unknown { effect: Effect::Deny, condition_key } => {
                (State::AllowedUnlessDenied, Some(condition_key))
            }
        };
        Self { function: function.to_owned(), state, condition_key }
    }

    /// A permission that `attach` once added.
    pub(super) fn added_before(function: &str) -> Self {
        Self { function: function.to_owned(), state: State::AddedBefore, condition_key: None }
    }

    /// Whether `attach` adds a statement.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self.state, State::Missing | State::AllowedUnderCondition)
    }

    /// Whether `attach` has to add a statement, or a statement denies the invocation.
    fn is_wrong(&self) -> bool {
        self.is_missing() || self.state == State::Denied
    }

    fn sentence(&self) -> String {
        let name = function_name(&self.function);
        let key = self.condition_key.as_deref().unwrap_or_default();
        match self.state {
            State::AllowedUnderCondition => format!(
                "{name} may be invoked by this pool only if a condition on {key} holds, which cannot be evaluated here"
            ),
            State::AllowedUnlessDenied => format!(
                "{name} may be invoked by this pool, unless a Deny statement of its policy applies: its condition on \
                 {key} cannot be evaluated here"
            ),
            state => format!("{name} {}", state.sentence()),
        }
    }

    fn tone(&self) -> Tone {
        match self.state {
            State::Allowed | State::AllowedToAccount | State::AddedBefore => Tone::Plain,
            State::Added | State::Removed => Tone::Good,
            State::AllowedToAnyPool
            | State::AllowedUnderCondition
            | State::AllowedUnlessDenied
            | State::Missing
            | State::Denied => Tone::Warning,
        }
    }
}

impl State {
    fn sentence(self) -> &'static str {
        match self {
            Self::Allowed | Self::AllowedUnderCondition | Self::AllowedUnlessDenied | Self::AddedBefore => {
                "may be invoked by this pool"
            }
            Self::AllowedToAccount => "may be invoked by every user pool of its account",
            Self::AllowedToAnyPool => "may be invoked by any user pool: its policy names none",
            Self::Missing => "may not be invoked by this pool",
            Self::Denied => "may not be invoked by this pool: a statement of its policy forbids it",
            Self::Added => "may be invoked by this pool from now on",
            Self::Removed => "may not be invoked by this pool any more",
        }
    }
}

impl Report {
    pub(super) fn new(
        command: &'static str,
        stack: &Deployment,
        plan: &Plan,
        permissions: Vec<Permission>,
    ) -> Self {
        let changes = plan.changes.iter().map(|change| Change {
            slot: change.slot.member(),
            from: change.from_arn().map(str::to_owned),
            to: change.to_arn().map(str::to_owned),
        });
        Self {
            command,
            user_pool_id: stack.pool_id.clone(),
            pool_name: plan.before().name().to_owned(),
            stack: stack.stack.name.clone(),
            changes: changes.collect(),
            permissions,
            needs: Vec::new(),
            refusals: Vec::new(),
            hints: Vec::new(),
            remarks: plan.remarks.iter().map(ToString::to_string).collect(),
            parameter: None,
            outcome: Outcome::WouldChange,
            backup: None,
        }
    }

    pub(super) fn parameter(&mut self, parameter: Parameter) {
        let dangerous = parameter.is_dangerous();
        let Parameter { value, why, deployed, own_pool } = parameter;
        self.parameter = Some(Advice { name: EMAIL_IS_USERNAME, value, why, deployed, dangerous, own_pool });
    }

    pub(super) fn refusals(&mut self, refusals: Vec<Refusal>) {
        for refusal in refusals {
            let hint = match refusal {
                Refusal::Occupied { .. } => "--replace takes the place of another function.",
                Refusal::KeyInUse { .. } => "Deploy the stack with that key as CodeKeyArn.",
                Refusal::EmailByCognito => {
                    "Let the pool send through SES (EmailSendingAccount DEVELOPER), or deploy with \
                     EmailDelivery=sender."
                }
                Refusal::UnknownMembers(_) => {
                    "--unknown-fields keep writes unknown settings back as they are, drop leaves them out."
                }
                Refusal::NoKey => "Is it a stack of the Cognito triggers?",
            };
            self.refuse(refusal.to_string(), hint);
        }
    }

    /// Refuses what would be worse than no functions: trust in addresses that belong to others, and sign-ups that fail.
    pub(super) fn refuse_harm(&mut self) {
        let parameter = self.parameter.as_ref().filter(|advice| advice.dangerous);
        if let Some(Advice { name, own_pool, .. }) = parameter {
            let (wrong, hint) = if *own_pool {
                (
                    "true, which a stack without UserPoolId takes for granted,",
                    "Deploy a stack with UserPoolId.",
                )
            } else {
                ("true", "Deploy the stack with EmailIsUsername=false.")
            };
            self.refuse(format!("{name}={wrong} is wrong for this user pool"), hint);
        }
        let denied = |one: &&Permission| one.state == State::Denied;
        let denied: Vec<_> = self.permissions.iter().filter(denied).map(Permission::sentence).collect();
        for text in denied {
            self.refuse(text, "Take that statement out of the function's policy.");
        }
    }

    /// Refuses to put back functions that Cognito may not invoke, or that are gone.
    pub(super) fn refuse_to_restore(&mut self, permissions: &[Permission]) {
        for permission in permissions {
            if permission.is_wrong() {
                let hint = "Leave out --restore: then the places are left empty.";
                self.refuse(
                    format!("what would be put back is gone or forbidden: {}", permission.sentence()),
                    hint,
                );
            }
        }
    }

    fn refuse(&mut self, refusal: String, hint: &'static str) {
        self.refusals.push(refusal);
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
    }

    pub(super) fn is_refused(&self) -> bool {
        !self.refusals.is_empty()
    }

    /// Whether it is known that `--apply` would fail.
    pub(super) fn lacks_permission(&self) -> bool {
        self.needs.iter().any(|need| need.allowed == Some(false))
    }

    /// For a command that changes nothing.
    pub(super) fn end(&mut self, nothing_to_do: bool) {
        self.outcome = match () {
            () if self.is_refused() => Outcome::Refused,
            () if nothing_to_do => Outcome::NothingToDo,
            () => Outcome::WouldChange,
        };
    }

    pub(super) fn done(&mut self, functions: &[String], backup: Option<&Path>) {
        let state = if self.command == "detach" { State::Removed } else { State::Added };
        for function in functions {
            self.permissions.retain(|permission| &permission.function != function);
            self.permissions.push(Permission { function: function.clone(), state, condition_key: None });
        }
        self.outcome = Outcome::Changed;
        self.backup = backup.map(|path| path.display().to_string());
    }

    /// Whether anything is not as the stack wants it.
    pub(super) fn drift(&mut self) -> bool {
        // That a policy names no pool is nothing that `attach` could mend.
        let permissions = self.permissions.iter().any(Permission::is_wrong);
        let parameter = self.parameter.as_ref().is_some_and(|advice| advice.dangerous);
        let drift = permissions || parameter || self.is_refused() || !self.changes.is_empty();
        self.outcome = if drift { Outcome::WouldChange } else { Outcome::NothingToDo };
        drift
    }

    pub(super) fn show(&self, output: &mut Output) -> std::io::Result<()> {
        let dry = match self.outcome {
            Outcome::WouldChange => " Dry run: nothing is changed.",
            Outcome::Refused => " Nothing is changed.",
            Outcome::NothingToDo | Outcome::Changed => "",
        };
        output.text(Tone::Strong, 0, &format!("{}.{dry}", self.headline()))?;
        self.show_changes(output)?;
        self.show_permissions(output)?;
        if self.outcome == Outcome::WouldChange && !self.needs.is_empty() {
            output.text(Tone::Plain, 0, "")?;
            output.text(Tone::Plain, 0, "These credentials need")?;
            for need in &self.needs {
                let tone = if need.allowed == Some(true) { Tone::Plain } else { Tone::Warning };
                output.text(tone, 4, &format!("  {}", need.sentence()))?;
                output.text(Tone::Plain, 4, &format!("    {}", need.resource))?;
            }
        }
        self.show_remarks(output)?;
        self.show_refusals(output)?;
        if !self.is_refused() {
            output.text(Tone::Plain, 0, "")?;
        }
        self.show_end(output)?;
        output.json(self)
    }

    /// As [`Self::show`], for `diff`.
    pub(super) fn show_drift(&self, output: &mut Output) -> std::io::Result<()> {
        let drift = self.outcome == Outcome::WouldChange;
        let verb = if drift { "differ" } else { "agree" };
        output.text(Tone::Strong, 0, &format!("{} {verb}.", self.headline()))?;
        self.show_changes(output)?;
        self.show_permissions(output)?;
        self.show_remarks(output)?;
        self.show_refusals(output)?;
        output.json(self)
    }

    fn show_refusals(&self, output: &mut Output) -> std::io::Result<()> {
        let word = if self.command == "diff" { "attach would refuse" } else { "Refused" };
        for refusal in &self.refusals {
            output.text(Tone::Plain, 0, "")?;
            output.text(Tone::Warning, 2, &format!("{word}: {refusal}."))?;
        }
        if self.is_refused() {
            output.text(Tone::Plain, 0, "")?;
        }
        for hint in &self.hints {
            output.text(Tone::Plain, 2, hint)?;
        }
        Ok(())
    }

    fn headline(&self) -> String {
        let Self { user_pool_id, pool_name, stack, .. } = self;
        format!("User pool {user_pool_id} ({}) and stack {stack}", crate::output::plain(pool_name))
    }

    fn show_changes(&self, output: &mut Output) -> std::io::Result<()> {
        let (from, to) = match (self.command, self.outcome) {
            ("diff", _) => ("is", "wanted"),
            (_, Outcome::Changed) => ("was", "is"),
            _ => ("is", "would be"),
        };
        for Change { slot, from: before, to: after } in &self.changes {
            output.text(Tone::Plain, 0, "")?;
            output.text(Tone::Strong, 0, slot)?;
            let nothing = "nothing";
            output.text(Tone::Plain, 4, &format!("  {from}: {}", before.as_deref().unwrap_or(nothing)))?;
            output.text(Tone::Plain, 4, &format!("  {to}: {}", after.as_deref().unwrap_or(nothing)))?;
        }
        Ok(())
    }

    fn show_permissions(&self, output: &mut Output) -> std::io::Result<()> {
        if self.permissions.is_empty() {
            return Ok(());
        }
        output.text(Tone::Plain, 0, "")?;
        for permission in &self.permissions {
            let mut text = permission.sentence();
            match permission.state {
                _ if permission.is_missing()
                    && self.command == "attach"
                    && self.outcome == Outcome::WouldChange =>
                {
                    text.push_str(": the permission would be added");
                }
                State::AddedBefore => text.push_str(": that permission would be removed"),
                _ => {}
            }
            output.text(permission.tone(), 2, &text)?;
        }
        Ok(())
    }

    fn show_remarks(&self, output: &mut Output) -> std::io::Result<()> {
        for remark in &self.remarks {
            output.text(Tone::Plain, 0, "")?;
            output.text(Tone::Warning, 2, &format!("{remark}."))?;
        }
        let Some(Advice { name, value, why, deployed, dangerous, own_pool }) = &self.parameter else {
            return Ok(());
        };
        output.text(Tone::Plain, 0, "")?;
        let (tone, text) = match deployed.as_deref() {
            Some(deployed) if deployed == *value => {
                (Tone::Plain, format!("{name}={value} of the stack is right: {why}."))
            }
            Some(_) if *dangerous && *own_pool => (
                Tone::Warning,
                format!(
                    "A stack without UserPoolId has functions for its own pool ({name}=true), deploy one with \
                     UserPoolId and {name}={value}: {why}."
                ),
            ),
            Some(deployed) if *dangerous => (
                Tone::Warning,
                format!("{name}={deployed} of the stack is wrong, deploy with {value}: {why}."),
            ),
            _ => (Tone::Plain, format!("Deploy the stack with {name}={value}: {why}.")),
        };
        output.text(tone, 2, &text)
    }

    fn show_end(&self, output: &mut Output) -> std::io::Result<()> {
        let detach = self.command == "detach";
        match self.outcome {
            Outcome::Refused => Ok(()),
            Outcome::NothingToDo if detach => {
                output.text(Tone::Good, 0, "Nothing of the stack is attached: there is nothing to do.")
            }
            Outcome::NothingToDo => {
                output.text(Tone::Good, 0, "Everything is attached already: there is nothing to do.")
            }
            Outcome::WouldChange => output.text(Tone::Plain, 0, "Run it with --apply to do so."),
            Outcome::Changed => {
                let done = if detach { "Detached" } else { "Attached" };
                output.text(Tone::Good, 0, &format!("{done}; all other settings are as they were."))?;
                let Some(backup) = &self.backup else { return Ok(()) };
                output.text(Tone::Plain, 0, &format!("The settings before are in {backup}."))
            }
        }
    }
}
