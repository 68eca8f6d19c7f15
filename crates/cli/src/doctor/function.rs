//! A function that the user pool invokes, and the commands about it.

use shared::trigger::Trigger;

use crate::stack::Stack;
use crate::terminal::shell::quote;

/// A function that the user pool invokes.
#[derive(Clone, Copy)]
pub(super) struct AttachedFunction<'a> {
    pub(super) trigger: Trigger,
    pub(super) arn: &'a str,
}

impl AttachedFunction<'_> {
    /// The consequence if the function fails.
    pub(super) fn consequence(self) -> &'static str {
        match self.trigger {
            Trigger::PreSignUp => "every sign-up fails",
            Trigger::CustomMessage => "every operation that sends a message fails",
            Trigger::CustomEmailSender => "no email is sent",
            Trigger::CustomSmsSender => "no SMS is sent",
        }
    }
}

/// The command that attaches a stack's functions to a user pool.
pub(super) fn attach_command(pool_id: &str, stack: &Stack) -> String {
    command("attach", pool_id, stack)
}

/// The command that removes a stack's functions from a user pool.
pub(super) fn detach_command(pool_id: &str, stack: &Stack) -> String {
    command("detach", pool_id, stack)
}

fn command(command: &str, pool_id: &str, stack: &Stack) -> String {
    format!(
        "cognito-triggers {command} --user-pool-id {} --stack-name {} --apply",
        quote(pool_id),
        quote(stack.name())
    )
}

/// An AWS CLI command for a function.
pub(super) fn lambda_command(command: &str, arn: &str) -> String {
    let region = super::step::region_of(arn);
    format!("aws lambda {command} --function-name {} --region {}", quote(arn), quote(region))
}

/// The account in an ARN; empty if there is none.
pub(super) fn account_of(arn: &str) -> &str {
    shared::arn::account_of(arn).unwrap_or_default()
}
