//! Cognito: user pools and their users.

use std::collections::BTreeMap;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::operation::admin_get_user::AdminGetUserError;
use aws_sdk_cognitoidentityprovider::types::{
    AttributeType, DeliveryMediumType, MessageActionType, PreventUserExistenceErrorTypes, UserPoolClientType,
    UserType,
};
use pool::aws::Clients;
use pool::control;
use pool::user_pool::UserPool;

use crate::aws::{Aws, AwsError, Call, Kind};

/// The user pools of one Region.
#[derive(Clone)]
pub(crate) struct Pools {
    client: Client,
    control_plane: Clients,
    region: String,
}

/// A user.
///
/// Source: <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserType.html>
#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) enabled: bool,
    /// `CONFIRMED`, `UNCONFIRMED`, `FORCE_CHANGE_PASSWORD`, …
    pub(crate) status: String,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Seconds since 1970.
    pub(crate) created: Option<i64>,
    /// Seconds since 1970. Sending the invitation again changes it, and so does a change of any attribute.
    pub(crate) modified: Option<i64>,
    /// `SMS_MFA`, `EMAIL_OTP`, `SOFTWARE_TOKEN_MFA`; empty if the user was found with `ListUsers`.
    pub(crate) mfa: Option<Mfa>,
}

/// The MFA settings of a user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mfa {
    pub(crate) active: Vec<String>,
    pub(crate) preferred: Option<String>,
}

/// Few users of a pool have the same contact, and a page holds 60 users.
const MAX_PAGES: usize = 10;

/// An app client, without its secret.
///
/// Source: <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolClientType.html>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AppClient {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) has_secret: bool,
    /// Whether it hides that a user doesn't exist: `PreventUserExistenceErrors` is `ENABLED`.
    pub(crate) masks_unknown_users: bool,
}

impl User {
    /// An attribute that is not empty.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether the user has `email` or `phone_number` and it is verified.
    pub(crate) fn verified(&self, contact: &str) -> bool {
        self.attribute(contact).is_some() && self.attribute(&format!("{contact}_verified")) == Some("true")
    }
}

impl Pools {
    pub(crate) fn new(aws: &Aws) -> Self {
        let (client, control_plane) = (Client::new(aws.config()), Clients::new(aws.config()));
        Self { client, control_plane, region: aws.region().to_owned() }
    }

    fn call(&self, action: &'static str) -> Call<'_> {
        // Cognito's error messages may quote usernames.
        Call { service: "Cognito", action, region: &self.region, quotes: true }
    }

    /// Describes a pool.
    ///
    /// # Errors
    /// If there is no such pool in the Region, or if the call fails.
    pub(crate) async fn describe(&self, pool_id: &str) -> Result<UserPool, AwsError> {
        control::read(&self.control_plane, pool_id).await.map_err(|error| match error {
            control::Error::Call(error) => self.call(error.action).failure(&error.cause),
            error => AwsError::new(Kind::Other, error.to_string()),
        })
    }

    /// The users with this value of an attribute, from the first pages only. A page holds up to 60 users and may be
    /// empty. The call does not count towards monthly active users (MAUs).
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn users_with(
        &self,
        pool_id: &str,
        attribute: &str,
        value: &str,
    ) -> Result<Vec<User>, AwsError> {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let mut pages = self
            .client
            .list_users()
            .user_pool_id(pool_id)
            .filter(format!("{attribute} = \"{value}\""))
            .into_paginator()
            .send();
        let mut users = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(|error| self.call("cognito-idp:ListUsers").failure(&error))?;
            users.extend(page.users.unwrap_or_default().into_iter().map(User::from));
        }
        Ok(users)
    }

    /// A user by username or alias, with the MFA settings. The call counts towards monthly active users (MAUs).
    ///
    /// # Errors
    /// If there is no such user ([`Kind::NotFound`]), or if the call fails.
    pub(crate) async fn user(&self, pool_id: &str, name: &str) -> Result<User, AwsError> {
        let answer = self.client.admin_get_user().user_pool_id(pool_id).username(name).send().await.map_err(
            |error| {
                let failure = self.call("cognito-idp:AdminGetUser").failure(&error);
                if error.as_service_error().is_some_and(AdminGetUserError::is_user_not_found_exception) {
                    return AwsError::new(Kind::NotFound, failure.text);
                }
                failure
            },
        )?;
        Ok(User {
            enabled: answer.enabled,
            status: answer.user_status.map(|status| status.to_string()).unwrap_or_default(),
            attributes: attributes(answer.user_attributes.unwrap_or_default()),
            created: answer.user_create_date.map(|time| time.secs()),
            modified: answer.user_last_modified_date.map(|time| time.secs()),
            mfa: Some(Mfa {
                active: answer.user_mfa_setting_list.unwrap_or_default(),
                preferred: answer.preferred_mfa_setting,
            }),
            name: answer.username,
        })
    }

    /// The ids of the pool's first app clients, at most 60, and whether there are more.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn client_ids(&self, pool_id: &str) -> Result<(Vec<String>, bool), AwsError> {
        let answer = self
            .client
            .list_user_pool_clients()
            .user_pool_id(pool_id)
            .max_results(60)
            .send()
            .await
            .map_err(|error| self.call("cognito-idp:ListUserPoolClients").failure(&error))?;
        let clients = answer.user_pool_clients.unwrap_or_default();
        Ok((clients.into_iter().filter_map(|client| client.client_id).collect(), answer.next_token.is_some()))
    }

    /// Describes an app client. Its secret is not kept.
    ///
    /// # Errors
    /// If the pool has no such client ([`Kind::NotFound`]), or if the call fails.
    pub(crate) async fn app_client(&self, pool_id: &str, client_id: &str) -> Result<AppClient, AwsError> {
        let answer = self
            .client
            .describe_user_pool_client()
            .user_pool_id(pool_id)
            .client_id(client_id)
            .send()
            .await
            .map_err(|error| self.call("cognito-idp:DescribeUserPoolClient").failure(&error))?;
        let client = answer.user_pool_client;
        client
            .map(AppClient::from)
            .ok_or_else(|| AwsError::new(Kind::Other, "Cognito describes no app client"))
    }
}

/// Changes to a user, if the operator agrees.
impl Pools {
    /// Marks a contact as verified: `email_verified` or `phone_number_verified`.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn mark_verified(
        &self,
        pool_id: &str,
        user: &str,
        attribute: &str,
    ) -> Result<(), AwsError> {
        let mark = AttributeType::builder().name(attribute).value("true").build();
        let mark = mark.map_err(|error| AwsError::new(Kind::Invalid, error.to_string()))?;
        let call = self.client.admin_update_user_attributes().user_pool_id(pool_id).username(user);
        let answer = call.user_attributes(mark).send().await;
        answer.map(drop).map_err(|error| self.call("cognito-idp:AdminUpdateUserAttributes").failure(&error))
    }

    /// Confirms a user who signed up.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn confirm_sign_up(&self, pool_id: &str, user: &str) -> Result<(), AwsError> {
        let answer = self.client.admin_confirm_sign_up().user_pool_id(pool_id).username(user).send().await;
        answer.map(drop).map_err(|error| self.call("cognito-idp:AdminConfirmSignUp").failure(&error))
    }

    /// Enables a user.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn enable_user(&self, pool_id: &str, user: &str) -> Result<(), AwsError> {
        let answer = self.client.admin_enable_user().user_pool_id(pool_id).username(user).send().await;
        answer.map(drop).map_err(|error| self.call("cognito-idp:AdminEnableUser").failure(&error))
    }

    /// Sends an invitation again, with a new temporary password, by `EMAIL` or `SMS`.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn resend_invitation(
        &self,
        pool_id: &str,
        user: &str,
        medium: &str,
    ) -> Result<(), AwsError> {
        let call = self.client.admin_create_user().user_pool_id(pool_id).username(user);
        let call = call.message_action(MessageActionType::Resend);
        let answer = call.desired_delivery_mediums(DeliveryMediumType::from(medium)).send().await;
        answer.map(drop).map_err(|error| self.call("cognito-idp:AdminCreateUser").failure(&error))
    }

    /// Resets a user's password: the old one no longer works, and Cognito sends a code for a new one.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn reset_password(&self, pool_id: &str, user: &str) -> Result<(), AwsError> {
        let answer =
            self.client.admin_reset_user_password().user_pool_id(pool_id).username(user).send().await;
        answer.map(drop).map_err(|error| self.call("cognito-idp:AdminResetUserPassword").failure(&error))
    }
}

impl From<UserPoolClientType> for AppClient {
    fn from(client: UserPoolClientType) -> Self {
        Self {
            id: client.client_id.unwrap_or_default(),
            name: client.client_name.unwrap_or_default(),
            has_secret: client.client_secret.is_some_and(|secret| !secret.is_empty()),
            masks_unknown_users: client.prevent_user_existence_errors
                == Some(PreventUserExistenceErrorTypes::Enabled),
        }
    }
}

fn attributes(attributes: Vec<AttributeType>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|attribute| (attribute.name, attribute.value.unwrap_or_default())).collect()
}

impl From<UserType> for User {
    fn from(user: UserType) -> Self {
        Self {
            enabled: user.enabled,
            name: user.username.unwrap_or_default(),
            status: user.user_status.map(|status| status.to_string()).unwrap_or_default(),
            attributes: attributes(user.attributes.unwrap_or_default()),
            created: user.user_create_date.map(|time| time.secs()),
            modified: user.user_last_modified_date.map(|time| time.secs()),
            mfa: None,
        }
    }
}

/// Where Cognito logs the events of one source.
///
/// Source: <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_LogConfigurationType.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogDelivery {
    /// `userNotification`: messages to users; `userAuthEvents`: threat protection.
    pub(crate) source: String,
    /// `ERROR`, `INFO`.
    pub(crate) level: String,
    /// The ARN of a log group of CloudWatch Logs; `None` if the logs go to another destination.
    pub(crate) log_group_arn: Option<String>,
}

/// The event source for messages that Cognito couldn't deliver.
impl Pools {
    /// The log delivery configuration: what Cognito logs, and where.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn log_delivery(&self, pool_id: &str) -> Result<Vec<LogDelivery>, AwsError> {
        let answer = self
            .client
            .get_log_delivery_configuration()
            .user_pool_id(pool_id)
            .send()
            .await
            .map_err(|error| self.call("cognito-idp:GetLogDeliveryConfiguration").failure(&error))?;
        let configurations = answer.log_delivery_configuration.map(|all| all.log_configurations);
        Ok(configurations
            .unwrap_or_default()
            .into_iter()
            .map(|one| LogDelivery {
                source: one.event_source.to_string(),
                level: one.log_level.to_string(),
                log_group_arn: one.cloud_watch_logs_configuration.and_then(|logs| logs.log_group_arn),
            })
            .collect())
    }
}

/// The maximum number of users on one page.
///
/// Source: <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html>
const PAGE: i32 = 60;

/// Counts the users who signed up in this time range (seconds since 1970, the end is exclusive) and are not confirmed
/// yet.
///
/// It reads page after page and keeps none. `progress` gets the number of users read so far.
///
/// # Errors
/// If a call fails.
pub(crate) async fn count_unconfirmed(
    aws: &Aws,
    pool: &str,
    time: std::ops::Range<u64>,
    mut progress: impl FnMut(u64),
) -> Result<u64, AwsError> {
    let call =
        Call { service: "Cognito", action: "cognito-idp:ListUsers", region: aws.region(), quotes: false };
    let client = Client::new(aws.config());
    let created_then = |created: Option<&aws_smithy_types::DateTime>| {
        created.and_then(|created| u64::try_from(created.secs()).ok()).is_some_and(|at| time.contains(&at))
    };
    let (mut seen, mut counted) = (0_u64, 0_u64);
    let mut pages = client
        .list_users()
        .user_pool_id(pool)
        .filter("cognito:user_status = \"UNCONFIRMED\"")
        // Every user has this attribute, and it isn't personal.
        .attributes_to_get("sub")
        .limit(PAGE)
        .into_paginator()
        .send();
    while let Some(answer) = pages.next().await {
        let answer = answer.map_err(|error| call.failure(&error))?;
        for user in answer.users() {
            seen = seen.saturating_add(1);
            counted = counted.saturating_add(created_then(user.user_create_date()).into());
        }
        progress(seen);
    }
    Ok(counted)
}

/// A user pool with these members besides its ID and ARN.
#[cfg(test)]
pub(crate) fn sample_pool(mut members: serde_json::Value) -> UserPool {
    members["Id"] = "eu-central-1_Example01".into();
    members["Arn"] = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01".into();
    let response = serde_json::json!({ "UserPool": members }).to_string();
    UserPool::parse(response.as_bytes()).expect("a user pool")
}
