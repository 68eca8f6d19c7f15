//! What `--fix` can do: each step is one call, and the command of the AWS CLI that makes the same call.

use crate::shell::quote;

/// One change, with all that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `attribute` is `email_verified` or `phone_number_verified`.
    MarkVerified {
        pool_id: String,
        user: String,
        attribute: &'static str,
    },
    ConfirmSignUp {
        pool_id: String,
        user: String,
    },
    EnableUser {
        pool_id: String,
        user: String,
    },
    /// `medium` is `EMAIL` or `SMS`.
    ResendInvitation {
        pool_id: String,
        user: String,
        medium: &'static str,
    },
    ResetPassword {
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
    /// The command of the AWS CLI, ready to paste into a shell.
    pub(crate) fn command(&self) -> String {
        let mut words = vec!["aws".to_owned()];
        words.extend(self.words().into_iter().map(|word| quote(&word)));
        words.join(" ")
    }

    /// The words after `aws`.
    fn words(&self) -> Vec<String> {
        let line = |fixed: &str, rest: &[&str]| {
            fixed.split(' ').chain(rest.iter().copied()).map(str::to_owned).collect::<Vec<_>>()
        };
        let user = |operation: &str, pool_id: &str, user: &str, rest: &[&str]| {
            let named = ["--user-pool-id", pool_id, "--username", user];
            let region = pool_id.split_once('_').map_or("", |(region, _)| region);
            let place = ["--region", region];
            line(&format!("cognito-idp {operation}"), &[&named, rest, &place].concat())
        };
        let key = |operation: &str, key_arn: &str| {
            line(&format!("kms {operation}"), &["--key-id", key_arn, "--region", region_of(key_arn)])
        };
        match self {
            Self::MarkVerified { pool_id, user: name, attribute } => {
                let value = format!("Name={attribute},Value=true");
                user("admin-update-user-attributes", pool_id, name, &["--user-attributes", &value])
            }
            Self::ConfirmSignUp { pool_id, user: name } => user("admin-confirm-sign-up", pool_id, name, &[]),
            Self::EnableUser { pool_id, user: name } => user("admin-enable-user", pool_id, name, &[]),
            Self::ResendInvitation { pool_id, user: name, medium } => {
                let how = ["--message-action", "RESEND", "--desired-delivery-mediums", medium];
                user("admin-create-user", pool_id, name, &how)
            }
            Self::ResetPassword { pool_id, user: name } => {
                user("admin-reset-user-password", pool_id, name, &[])
            }
            Self::RemoveSuppression { region, address } => {
                line("sesv2 delete-suppressed-destination", &["--email-address", address, "--region", region])
            }
            Self::ResumeSending { region } => {
                line("sesv2 put-account-sending-attributes --sending-enabled", &["--region", region])
            }
            Self::OptInPhone { region, number } => {
                line("sns opt-in-phone-number", &["--phone-number", number, "--region", region])
            }
            Self::EnableKey { key_arn } => key("enable-key", key_arn),
            Self::CancelKeyDeletion { key_arn } => key("cancel-key-deletion", key_arn),
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
                    "--region",
                    region_of(function_arn),
                ],
            ),
        }
    }
}

/// The Region in an ARN; empty where there is none.
fn region_of(arn: &str) -> &str {
    arn.split(':').nth(3).unwrap_or_default()
}

/// The name of a statement that lets a pool invoke a function.
pub(crate) fn statement_id(pool_arn: &str) -> String {
    let pool = pool_arn.rsplit('/').next().unwrap_or_default();
    format!("cognito-{}", pool.replace(|character: char| !character.is_ascii_alphanumeric(), "-"))
}
