//! SES: whether an account and an identity may send.

use aws_sdk_sesv2::config::{Builder, Region};

use crate::aws::{Aws, AwsError, Call, Kind};

/// SES in one Region.
pub(crate) struct Ses {
    client: aws_sdk_sesv2::Client,
    region: String,
}

/// What SES lets an account do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) sending: bool,
    /// Not in the sandbox, where only verified recipients are written to.
    pub(crate) production: bool,
}

impl Ses {
    pub(crate) fn new(aws: &Aws, region: &str) -> Self {
        let builder = Builder::from(aws.config()).region(Region::new(region.to_owned()));
        Self { client: aws_sdk_sesv2::Client::from_conf(builder.build()), region: region.to_owned() }
    }

    fn call(&self, action: &'static str) -> Call<'_> {
        // It could quote the address that it was asked about.
        Call { service: "SES", action, region: &self.region, quotes: true }
    }

    /// Whether the account may send, and to everybody.
    ///
    /// Source: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html>
    ///
    /// # Errors
    /// When SES does not say.
    pub(crate) async fn account(&self) -> Result<Account, AwsError> {
        let call = self.call("ses:GetAccount");
        let answer = self.client.get_account().send().await.map_err(|error| call.failure(&error))?;
        Ok(Account { sending: answer.sending_enabled, production: answer.production_access_enabled })
    }

    /// Whether an identity, an address or a domain, is verified for sending; `None` when the account has none of that
    /// name in the Region.
    ///
    /// Source: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetEmailIdentity.html>
    ///
    /// # Errors
    /// When SES does not say.
    pub(crate) async fn is_verified(&self, identity: &str) -> Result<Option<bool>, AwsError> {
        let call = self.call("ses:GetEmailIdentity");
        let answer = self.client.get_email_identity().email_identity(identity).send().await;
        match answer.map_err(|error| call.failure(&error)) {
            Ok(answer) => Ok(Some(answer.verified_for_sending_status)),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a configuration set lets messages be sent; `None` when the account has none of that name in the Region.
    ///
    /// Source: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetConfigurationSet.html>
    ///
    /// # Errors
    /// When SES does not say.
    pub(crate) async fn configuration_set_sends(&self, name: &str) -> Result<Option<bool>, AwsError> {
        let call = self.call("ses:GetConfigurationSet");
        let answer = self.client.get_configuration_set().configuration_set_name(name).send().await;
        match answer.map_err(|error| call.failure(&error)) {
            Ok(answer) => Ok(Some(answer.sending_options.is_none_or(|options| options.sending_enabled))),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
