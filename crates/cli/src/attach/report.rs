//! The output of `attach`, `detach` and `diff`.

use std::path::Path;

use pool::permission::{InvokePermission, PermittedPools};
use pool::plan::{Plan, Refusal};
use pool::policy::Effect;
use serde::Serialize;
use shared::arn::function_name;

use super::attachment::{Attachment, ParameterCheck};
use super::needs::Need;
use crate::stack::EMAIL_IS_USERNAME;
use crate::terminal::output::{Output, Tone};

/// The output as text, and as JSON for programs.
#[derive(Serialize)]
pub(super) struct PoolReport {
    command: &'static str,
    user_pool_id: String,
    #[serde(skip)]
    pool_name: String,
    stack: String,
    changes: Vec<MemberChange>,
    pub(super) permissions: Vec<FunctionPermission>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) needs: Vec<Need>,
    refusals: Vec<String>,
    #[serde(skip)]
    hints: Vec<&'static str>,
    remarks: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<ParameterAdvice>,
    #[serde(rename = "outcome")]
    status: ChangeStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<String>,
}

#[derive(Serialize)]
struct MemberChange {
    #[serde(rename = "slot")]
    member: &'static str,
    from: Option<String>,
    to: Option<String>,
}

/// Whether Cognito may invoke a function.
#[derive(Serialize)]
pub(super) struct FunctionPermission {
    function: String,
    state: PermissionState,
    /// What an unknown state depends on.
    #[serde(rename = "condition", skip_serializing_if = "Option::is_none")]
    condition_key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PermissionState {
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
enum ChangeStatus {
    NothingToDo,
    Refused,
    WouldChange,
    Changed,
}

/// The value that a parameter of the stack should have.
#[derive(Serialize)]
struct ParameterAdvice {
    name: &'static str,
    value: &'static str,
    why: &'static str,
    deployed: Option<String>,
    #[serde(skip)]
    dangerous: bool,
}

impl FunctionPermission {
    pub(super) fn new(function: &str, permission: InvokePermission) -> Self {
        let (state, condition_key) = match permission {
            InvokePermission::Allowed(PermittedPools::Named) => (PermissionState::Allowed, None),
            InvokePermission::Allowed(PermittedPools::OfAccount) => (PermissionState::AllowedToAccount, None),
            InvokePermission::Allowed(PermittedPools::OfEveryAccount) => {
                (PermissionState::AllowedToAnyPool, None)
            }
            InvokePermission::NotAllowed { .. } => (PermissionState::Missing, None),
            InvokePermission::Denied => (PermissionState::Denied, None),
            InvokePermission::Unknown { effect: Effect::Allow, condition_key } => {
                (PermissionState::AllowedUnderCondition, Some(condition_key))
            }
            InvokePermission::Unknown { effect: Effect::Deny, condition_key } => {
                (PermissionState::AllowedUnlessDenied, Some(condition_key))
            }
        };
        Self { function: function.to_owned(), state, condition_key }
    }

    /// A permission that `attach` added earlier.
    pub(super) fn added_before(function: &str) -> Self {
        Self { function: function.to_owned(), state: PermissionState::AddedBefore, condition_key: None }
    }

    /// Whether `attach` adds a statement.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self.state, PermissionState::Missing | PermissionState::AllowedUnderCondition)
    }

    /// Whether `attach` has to add a statement, or a statement denies the invocation.
    fn is_wrong(&self) -> bool {
        self.is_missing() || self.state == PermissionState::Denied
    }

    fn summary(&self) -> String {
        let name = function_name(&self.function);
        let key = self.condition_key.as_deref().unwrap_or_default();
        match self.state {
            PermissionState::AllowedUnderCondition => format!(
                "{name}: this user pool can invoke it only if a condition on {key} in its policy holds, which \
                 this command can't evaluate"
            ),
            PermissionState::AllowedUnlessDenied => format!(
                "{name}: this user pool can invoke it unless a Deny statement of its policy applies; this \
                 command can't evaluate the condition on {key} in it"
            ),
            state => format!("{name}: {}", state.summary()),
        }
    }

    fn tone(&self) -> Tone {
        match self.state {
            PermissionState::Allowed | PermissionState::AllowedToAccount | PermissionState::AddedBefore => {
                Tone::Plain
            }
            PermissionState::Added | PermissionState::Removed => Tone::Good,
            PermissionState::AllowedToAnyPool
            | PermissionState::AllowedUnderCondition
            | PermissionState::AllowedUnlessDenied
            | PermissionState::Missing
            | PermissionState::Denied => Tone::Warning,
        }
    }
}

impl PermissionState {
    fn summary(self) -> &'static str {
        match self {
            Self::Allowed | Self::AllowedUnderCondition | Self::AllowedUnlessDenied | Self::AddedBefore => {
                "this user pool can invoke it"
            }
            Self::AllowedToAccount => "every user pool of the account can invoke it",
            Self::AllowedToAnyPool => {
                "every user pool of every account can invoke it, because its policy has no condition"
            }
            Self::Missing => "this user pool can't invoke it",
            Self::Denied => "this user pool can't invoke it, because a Deny statement of its policy applies",
            Self::Added => "this user pool can invoke it now",
            Self::Removed => "this user pool can no longer invoke it",
        }
    }
}

impl PoolReport {
    pub(super) fn new(
        command: &'static str,
        attachment: &Attachment,
        plan: &Plan,
        permissions: Vec<FunctionPermission>,
    ) -> Self {
        let changes = plan.changes.iter().map(|change| MemberChange {
            member: change.member.name(),
            from: change.from_arn().map(str::to_owned),
            to: change.to_arn().map(str::to_owned),
        });
        Self {
            command,
            user_pool_id: attachment.pool_id.clone(),
            pool_name: plan.before().name().to_owned(),
            stack: attachment.stack.name().to_owned(),
            changes: changes.collect(),
            permissions,
            needs: Vec::new(),
            refusals: Vec::new(),
            hints: Vec::new(),
            remarks: plan.remarks.iter().map(ToString::to_string).collect(),
            parameter: None,
            status: ChangeStatus::WouldChange,
            backup: None,
        }
    }

    pub(super) fn parameter(&mut self, parameter: ParameterCheck) {
        let dangerous = parameter.is_dangerous();
        let ParameterCheck { value, why, deployed } = parameter;
        self.parameter = Some(ParameterAdvice { name: EMAIL_IS_USERNAME, value, why, deployed, dangerous });
    }

    pub(super) fn refusals(&mut self, refusals: Vec<Refusal>) {
        for refusal in refusals {
            let hint = match refusal {
                Refusal::Occupied { .. } => "To replace it, add --replace.",
                Refusal::KeyInUse { .. } => "Deploy the stack with that key as CodeKeyArn.",
                Refusal::EmailByCognito => {
                    "Let the user pool send through SES (EmailSendingAccount DEVELOPER), or deploy with \
                     EmailDelivery=sender."
                }
                Refusal::UnknownMembers(_) => {
                    "To write them back unchanged, add `--unknown-fields keep`; to leave them out, add \
                     `--unknown-fields drop`."
                }
                Refusal::NoKey => "Check that it is a stack of the Cognito triggers.",
            };
            self.refuse(refusal.to_string(), hint);
        }
    }

    /// Refuses changes that would let attackers use other users' email addresses or make sign-ups fail.
    pub(super) fn refuse_unsafe(&mut self) {
        let parameter = self.parameter.as_ref().filter(|advice| advice.dangerous);
        if let Some(ParameterAdvice { name, why, .. }) = parameter {
            self.refuse(
                format!("{name}=true is wrong for this user pool: {why}"),
                "Deploy the stack with EmailIsUsername=false.",
            );
        }
        let denied = |one: &&FunctionPermission| one.state == PermissionState::Denied;
        let denied: Vec<_> =
            self.permissions.iter().filter(denied).map(FunctionPermission::summary).collect();
        for text in denied {
            self.refuse(text, "Remove that statement from the function's policy.");
        }
    }

    /// Refuses to restore functions that do not exist or that Cognito may not invoke.
    pub(super) fn refuse_to_restore(&mut self, permissions: &[FunctionPermission]) {
        for permission in permissions {
            if permission.is_wrong() {
                let hint = "Leave out --restore to leave these Lambda triggers empty.";
                self.refuse(
                    format!(
                        "a function to restore does not exist, or Cognito may not invoke it: {}",
                        permission.summary()
                    ),
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

    /// Whether `--apply` would certainly fail.
    pub(super) fn lacks_permission(&self) -> bool {
        self.needs.iter().any(|need| need.allowed == Some(false))
    }

    /// For a command that changes nothing.
    pub(super) fn end(&mut self, nothing_to_do: bool) {
        self.status = if self.is_refused() {
            ChangeStatus::Refused
        } else if nothing_to_do {
            ChangeStatus::NothingToDo
        } else {
            ChangeStatus::WouldChange
        };
    }

    pub(super) fn done(&mut self, functions: &[String], backup: Option<&Path>) {
        let state = if self.command == "detach" { PermissionState::Removed } else { PermissionState::Added };
        for function in functions {
            self.permissions.retain(|permission| &permission.function != function);
            self.permissions.push(FunctionPermission {
                function: function.clone(),
                state,
                condition_key: None,
            });
        }
        self.status = ChangeStatus::Changed;
        self.backup = backup.map(|path| path.display().to_string());
    }

    /// Whether the pool differs from the stack.
    pub(super) fn drift(&mut self) -> bool {
        // `attach` does not narrow a policy that allows every pool.
        let permissions = self.permissions.iter().any(FunctionPermission::is_wrong);
        let parameter = self.parameter.as_ref().is_some_and(|advice| advice.dangerous);
        let drift = permissions || parameter || self.is_refused() || !self.changes.is_empty();
        self.status = if drift { ChangeStatus::WouldChange } else { ChangeStatus::NothingToDo };
        drift
    }

    pub(super) fn show(&self, output: &mut Output) -> std::io::Result<()> {
        let dry = match self.status {
            ChangeStatus::WouldChange => " Dry run: nothing is changed.",
            ChangeStatus::Refused => " Nothing is changed.",
            ChangeStatus::NothingToDo | ChangeStatus::Changed => "",
        };
        output.text(Tone::Strong, 0, &format!("{}.{dry}", self.headline()))?;
        self.show_changes(output)?;
        self.show_permissions(output)?;
        if self.status == ChangeStatus::WouldChange && !self.needs.is_empty() {
            output.text(Tone::Plain, 0, "")?;
            output.text(Tone::Plain, 0, "Permissions that these credentials need")?;
            for need in &self.needs {
                let tone = if need.allowed == Some(true) { Tone::Plain } else { Tone::Warning };
                output.text(tone, 4, &format!("  {}", need.summary()))?;
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

    /// Like [`Self::show`], for `diff`.
    pub(super) fn show_drift(&self, output: &mut Output) -> std::io::Result<()> {
        let drift = self.status == ChangeStatus::WouldChange;
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
        format!("User pool {user_pool_id} ({}) and stack {stack}", crate::terminal::output::plain(pool_name))
    }

    fn show_changes(&self, output: &mut Output) -> std::io::Result<()> {
        let (from, to) = match (self.command, self.status) {
            ("diff", _) => ("user pool", "stack"),
            (_, ChangeStatus::Changed) => ("before", "now"),
            _ => ("now", "planned"),
        };
        for MemberChange { member, from: before, to: after } in &self.changes {
            output.text(Tone::Plain, 0, "")?;
            output.text(Tone::Strong, 0, member)?;
            let nothing = "not set";
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
            let mut text = permission.summary();
            match permission.state {
                _ if permission.is_missing()
                    && self.command == "attach"
                    && self.status == ChangeStatus::WouldChange =>
                {
                    text.push_str("; --apply adds the permission");
                }
                PermissionState::AddedBefore => text.push_str("; --apply removes the permission"),
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
        let Some(ParameterAdvice { name, value, why, deployed, dangerous }) = &self.parameter else {
            return Ok(());
        };
        // `attach` is then refused for this reason.
        if *dangerous && self.command != "diff" {
            return Ok(());
        }
        output.text(Tone::Plain, 0, "")?;
        let (tone, text) = match deployed.as_deref() {
            Some(deployed) if deployed == *value => {
                (Tone::Plain, format!("{name}={value} is correct for this user pool: {why}."))
            }
            Some(deployed) if *dangerous => (
                Tone::Warning,
                format!(
                    "{name}={deployed} is wrong for this user pool: {why}. Deploy the stack with \
                     {name}={value}."
                ),
            ),
            _ => (Tone::Plain, format!("Deploy the stack with {name}={value}: {why}.")),
        };
        output.text(tone, 2, &text)
    }

    fn show_end(&self, output: &mut Output) -> std::io::Result<()> {
        let detach = self.command == "detach";
        match self.status {
            ChangeStatus::Refused => Ok(()),
            ChangeStatus::NothingToDo if detach => {
                output.text(Tone::Good, 0, "No function of the stack is attached: there is nothing to do.")
            }
            ChangeStatus::NothingToDo => {
                output.text(Tone::Good, 0, "Everything is attached already: there is nothing to do.")
            }
            ChangeStatus::WouldChange => output.text(Tone::Plain, 0, "Add --apply to make these changes."),
            ChangeStatus::Changed => {
                let done = if detach { "Detached" } else { "Attached" };
                output.text(Tone::Good, 0, &format!("{done}. All other settings are unchanged."))?;
                let Some(backup) = &self.backup else { return Ok(()) };
                output.text(Tone::Plain, 0, &format!("The previous settings are in {backup}."))
            }
        }
    }
}
