//! The steps of `--fix`: each step is one call, with the AWS CLI command that makes the same call.

use shared::arn::Arn;

use crate::aws::cognito::Pools;
use crate::aws::lambda::Functions;
use crate::aws::{Aws, AwsError};
use crate::aws::{kms, ses, sns};
use crate::terminal::shell::quote;

/// One change, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `attribute` is `email_verified` or `phone_number_verified`.
    MarkVerified {
        region: String,
        pool_id: String,
        user: String,
        attribute: &'static str,
    },
    ConfirmSignUp {
        region: String,
        pool_id: String,
        user: String,
    },
    EnableUser {
        region: String,
        pool_id: String,
        user: String,
    },
    /// `medium` is `EMAIL` or `SMS`.
    ResendInvitation {
        region: String,
        pool_id: String,
        user: String,
        medium: &'static str,
    },
    ResetPassword {
        region: String,
        pool_id: String,
        user: String,
    },
    RemoveSuppression {
        region: String,
        address: String,
    },
    ResumeSending {
        region: String,
    },
    OptInPhone {
        region: String,
        number: String,
    },
    EnableKey {
        key_arn: String,
    },
    CancelKeyDeletion {
        key_arn: String,
    },
    AllowInvoke {
        function_arn: String,
        pool_arn: String,
        account: String,
    },
}

impl Step {
    /// The AWS CLI command, ready to paste into a shell.
    pub(super) fn command(&self) -> String {
        let mut words = vec!["aws".to_owned()];
        words.extend(self.words().into_iter().map(|word| quote(&word)));
        words.join(" ")
    }

    /// The words after `aws`.
    fn words(&self) -> Vec<String> {
        let line = |fixed: &str, rest: &[&str]| {
            let words = fixed.split(' ').chain(rest.iter().copied());
            words.chain(["--region", self.region()]).map(str::to_owned).collect::<Vec<_>>()
        };
        let user = |operation: &str, pool_id: &str, user: &str, rest: &[&str]| {
            let named = ["--user-pool-id", pool_id, "--username", user];
            line(&format!("cognito-idp {operation}"), &[&named, rest].concat())
        };
        match self {
            Self::MarkVerified { pool_id, user: name, attribute, .. } => {
                let value = format!("Name={attribute},Value=true");
                user("admin-update-user-attributes", pool_id, name, &["--user-attributes", &value])
            }
            Self::ConfirmSignUp { pool_id, user: name, .. } => {
                user("admin-confirm-sign-up", pool_id, name, &[])
            }
            Self::EnableUser { pool_id, user: name, .. } => user("admin-enable-user", pool_id, name, &[]),
            Self::ResendInvitation { pool_id, user: name, medium, .. } => {
                let how = ["--message-action", "RESEND", "--desired-delivery-mediums", medium];
                user("admin-create-user", pool_id, name, &how)
            }
            Self::ResetPassword { pool_id, user: name, .. } => {
                user("admin-reset-user-password", pool_id, name, &[])
            }
            Self::RemoveSuppression { address, .. } => {
                line("sesv2 delete-suppressed-destination", &["--email-address", address])
            }
            Self::ResumeSending { .. } => line("sesv2 put-account-sending-attributes --sending-enabled", &[]),
            Self::OptInPhone { number, .. } => line("sns opt-in-phone-number", &["--phone-number", number]),
            Self::EnableKey { key_arn } => line("kms enable-key", &["--key-id", key_arn]),
            Self::CancelKeyDeletion { key_arn } => line("kms cancel-key-deletion", &["--key-id", key_arn]),
            Self::AllowInvoke { function_arn, pool_arn, account } => line(
                "lambda add-permission --action lambda:InvokeFunction --principal cognito-idp.amazonaws.com",
                &[
                    "--function-name",
                    function_arn,
                    "--statement-id",
                    &statement_id(pool_arn),
                    "--source-arn",
                    pool_arn,
                    "--source-account",
                    account,
                ],
            ),
        }
    }

    /// The Region of the call.
    fn region(&self) -> &str {
        match self {
            Self::MarkVerified { region, .. }
            | Self::ConfirmSignUp { region, .. }
            | Self::EnableUser { region, .. }
            | Self::ResendInvitation { region, .. }
            | Self::ResetPassword { region, .. }
            | Self::RemoveSuppression { region, .. }
            | Self::ResumeSending { region }
            | Self::OptInPhone { region, .. } => region,
            Self::EnableKey { key_arn } | Self::CancelKeyDeletion { key_arn } => region_of(key_arn),
            Self::AllowInvoke { function_arn, .. } => region_of(function_arn),
        }
    }

    /// Makes the call that the command makes.
    ///
    /// # Errors
    /// If the call fails.
    pub(super) async fn run(&self, aws: &Aws) -> Result<(), AwsError> {
        let aws = &aws.in_region(self.region());
        let pools = Pools::new(aws);
        match self {
            Self::MarkVerified { pool_id, user, attribute, .. } => {
                pools.mark_verified(pool_id, user, attribute).await
            }
            Self::ConfirmSignUp { pool_id, user, .. } => pools.confirm_sign_up(pool_id, user).await,
            Self::EnableUser { pool_id, user, .. } => pools.enable_user(pool_id, user).await,
            Self::ResendInvitation { pool_id, user, medium, .. } => {
                pools.resend_invitation(pool_id, user, medium).await
            }
            Self::ResetPassword { pool_id, user, .. } => pools.reset_password(pool_id, user).await,
            Self::RemoveSuppression { address, .. } => ses::remove_suppression(aws, address).await,
            Self::ResumeSending { .. } => ses::resume_sending(aws).await,
            Self::OptInPhone { number, .. } => sns::opt_in(aws, number).await,
            Self::EnableKey { key_arn } => kms::enable_key(aws, key_arn).await,
            Self::CancelKeyDeletion { key_arn } => kms::cancel_key_deletion(aws, key_arn).await,
            Self::AllowInvoke { function_arn, pool_arn, account } => {
                let statement = statement_id(pool_arn);
                Functions::new(aws).allow_invoke(function_arn, &statement, pool_arn, account).await
            }
        }
    }
}

/// The Region in an ARN; empty if there is none.
pub(super) fn region_of(arn: &str) -> &str {
    shared::arn::region_of(arn).unwrap_or_default()
}

/// The id of the statement that lets a user pool invoke a function: the same as `attach` uses, so `detach` removes it.
fn statement_id(pool_arn: &str) -> String {
    pool::permission::statement_id(Arn::parse(pool_arn).and_then(Arn::user_pool_id).unwrap_or_default())
}
